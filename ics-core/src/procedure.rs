//! The procedures of Y.4462 clause 10, pure: facts, input and time in; a change out.
