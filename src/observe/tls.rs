//! Stub: the branch `cloud` has the real one.
