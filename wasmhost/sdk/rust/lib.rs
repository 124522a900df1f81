//! The exports of the ABI kl1, in front of indicators.rs. There is nothing to
//! change in this file and in abi.rs.

mod abi;
mod indicators;
