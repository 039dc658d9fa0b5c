//! What strangers and stolen credentials try on the whole server: sending en masse, trying addresses out, guessing.

mod connectors;
mod networks;
mod outbound;
mod outside;
