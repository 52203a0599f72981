//! wellspring-keyword
