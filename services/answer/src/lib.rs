//! wellspring-answer
