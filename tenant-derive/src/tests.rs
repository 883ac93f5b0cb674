//! Snapshots of expansions, each beside the declaration that it comes from.
