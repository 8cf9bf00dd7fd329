//! Speaking: strings out, nothing else.
