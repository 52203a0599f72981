//! wellspring-http
