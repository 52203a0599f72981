//! wellspring-vector
