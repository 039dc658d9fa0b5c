//! Who gets mail out, over real sockets: nobody but accounts and the clients of connectors, whatever is tried.

mod certificates;
mod client;
mod matrix;
mod product;
mod rig;
