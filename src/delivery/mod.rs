//! Carries out what the queue decides: finds the next host and hands messages over.

pub mod exchanger;
pub mod relay_agent;
