//! The probes of privileges, of reads and of writes.

mod changed_context;
mod counters;
mod deleted_rows;
mod keys_and_guards;
mod privileges;
mod reads;
mod signatures;
mod writes;
