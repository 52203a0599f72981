//! Do the SQLite catalog and its memory double keep the contract?

use proptest::prelude::*;
use tempfile::TempDir;
use wellspring_catalog::SqliteCatalog;
use wellspring_tests::catalog_conformance;
use wellspring_tests::conformance::catalog::Subject;
use wellspring_tests::conformance::catalog::histories::{self, DOCUMENTS, Step};
use wellspring_tests::doubles::catalog::MemoryCatalog;
use wellspring_tests::{hooks_conformance, screen_conformance, sources_conformance};

catalog_conformance!(sqlite, crate::catalog::OnDisk::fresh);
catalog_conformance!(memory, crate::catalog::InMemory::fresh);
sources_conformance!(sources_sqlite, crate::catalog::OnDisk::fresh);
sources_conformance!(sources_memory, crate::catalog::InMemory::fresh);
screen_conformance!(screen_sqlite, crate::catalog::OnDisk::fresh);
screen_conformance!(screen_memory, crate::catalog::InMemory::fresh);
hooks_conformance!(hooks_sqlite, crate::catalog::OnDisk::fresh);
hooks_conformance!(hooks_memory, crate::catalog::InMemory::fresh);

/// A SQLite catalog in a directory of its own.
pub(crate) struct OnDisk {
    catalog: SqliteCatalog,
    directory: TempDir,
}

impl OnDisk {
    pub(crate) async fn fresh() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { catalog: SqliteCatalog::open(directory.path()).await.unwrap(), directory }
    }
}

#[async_trait::async_trait]
impl Subject for OnDisk {
    type Catalog = SqliteCatalog;

    fn catalog(&self) -> &SqliteCatalog {
        &self.catalog
    }

    async fn reopen(self) -> Self {
        let Self { catalog, directory } = self;
        drop(catalog);
        Self { catalog: SqliteCatalog::open(directory.path()).await.unwrap(), directory }
    }
}

/// The double.
pub(crate) struct InMemory(MemoryCatalog);

impl InMemory {
    pub(crate) async fn fresh() -> Self {
        Self(MemoryCatalog::default())
    }
}

#[async_trait::async_trait]
impl Subject for InMemory {
    type Catalog = MemoryCatalog;

    fn catalog(&self) -> &MemoryCatalog {
        &self.0
    }

    async fn reopen(self) -> Self {
        self.0.restart();
        self
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..DOCUMENTS.len(), 0..16_u8).prop_map(|(document, text)| Step::Put(document, text)),
        2 => (0..DOCUMENTS.len()).prop_map(Step::Delete),
        4 => (1..4_usize).prop_map(Step::Claim),
        5 => Just(Step::Stage),
        3 => Just(Step::Publish),
        1 => Just(Step::Fail),
        1 => Just(Step::Crash),
    ]
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn i4_any_history_ends_in_the_last_write_on_disk(history in prop::collection::vec(step(), 1..40)) {
        block_on(async { histories::run(OnDisk::fresh().await, &history).await });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn i4_any_history_ends_in_the_last_write_in_memory(history in prop::collection::vec(step(), 1..60)) {
        block_on(async { histories::run(InMemory::fresh().await, &history).await });
    }
}
