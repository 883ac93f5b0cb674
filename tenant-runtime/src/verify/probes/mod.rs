//! The probes of privileges, of reads and of writes.

mod privileges;
mod reads;
mod writes;
