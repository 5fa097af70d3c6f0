//! Sessions and turns over the kernel.
