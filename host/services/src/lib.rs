//! Acts on the outside world, each kind of effect through one gate.
