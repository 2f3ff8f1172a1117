use super::MemoryStore;

crate::store_contract!(MemoryStore::in_memory().unwrap());
