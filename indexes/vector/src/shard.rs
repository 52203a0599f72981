//! How is Qdrant Edge asked, and what does it answer?
//!
//! The only file that names the vendor. Everything here blocks.
//!
//! Invariants:
//! - The vendor's panics end here: it panics on a flush that fails, for one.
//! - A point's id is its chunk's id, so inserting again replaces.
//! - Up to a number of points a search is exact. Beyond, it goes through the graphs of those segments that have one, and
//!   scans the others; chosen chunks are always compared exactly.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use qdrant_edge::external::uuid::Uuid;
use qdrant_edge::{
    AcornSearchParams, BinaryQuantizationConfig, BinaryQuantizationQueryEncoding, Condition, CountRequest, CreateIndex,
    DEFAULT_VECTOR_NAME, Distance, EdgeConfig, EdgeOptimizersConfig, EdgeShard, EdgeVectorParams, FieldCondition,
    FieldIndexOperations, Filter, HnswIndexConfig, JsonPath, NamedQuery, OperationError, PayloadFieldSchema,
    PayloadSchemaType, PointId, PointInsertOperations, PointOperations, PointStruct, QuantizationConfig,
    QuantizationSearchParams, QueryEnum, QueryRequest, Record, ScalarQuantizationConfig, ScalarType, ScoredPoint,
    ScoringQuery, SearchParams, UpdateOperation, VectorInternal, VectorStructInternal,
};
use serde_json::json;
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::embedding::Embedding;
use wellspring_core::hit::Hit;
use wellspring_core::limits;
use wellspring_core::view::{VectorEntry, ViewError, ViewErrorKind};

use crate::manifest::{Durable, hint, storage, sync_below};
use crate::operation_log;
use crate::shape::{Quantisation, Shape};

const SEGMENTS: &str = "segments";

/// The payload that searches are filtered by.
const COLLECTION: &str = "collection";
/// The payload that names the chunk's document.
const DOCUMENT: &str = "document";

/// Neighbours that a point of a graph is joined to, and those weighed for it while the graph is made.
const GRAPH_NEIGHBOURS: usize = 16;
const GRAPH_CANDIDATES: usize = 128;
/// The share of values that one byte tells apart; the others are as large as the largest of these.
const SCALAR_QUANTILE: f32 = 0.99;
/// Of those that the walk finds nearest, how many are compared as they are, for each that is asked for.
const SCALAR_OVERSAMPLING: f64 = 1.5;
const BINARY_OVERSAMPLING: f64 = 4.0;
/// Between two attempts of a flush.
const FLUSH_RETRY_INTERVAL: Duration = Duration::from_millis(2);
/// What the vendor's flush says when it finds one of its own locks taken; any other panic is a flush that failed.
const LOCK_TAKEN: [&str; 2] = ["WAL lock acquired", "segment holder lock acquired"];

/// An open index.
pub(crate) struct Shard {
    // Taken out only by `drop`.
    shard: Option<EdgeShard>,
    path: PathBuf,
    shape: Shape,
}

impl Shape {
    fn config(self) -> EdgeConfig {
        // The vendor counts thousands of bytes of vectors; 0 would mean never.
        let size = |points: usize| points.saturating_mul(self.dimension * size_of::<f32>()).div_ceil(1024).max(1);
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let graph = HnswIndexConfig {
            m: GRAPH_NEIGHBOURS,
            ef_construct: GRAPH_CANDIDATES,
            // A collection with fewer points in a segment is scanned, whatever is beside it.
            full_scan_threshold: size(self.exact_points_max / 4),
            // The other half of the machine embeds, and answers.
            max_indexing_threads: cores.div_ceil(2),
            on_disk: None,
            payload_m: None,
            inline_storage: None,
        };
        let optimizers = EdgeOptimizersConfig {
            // Half of what sets the making off, since replaced points are counted twice there.
            indexing_threshold: Some(size(self.exact_points_max / 2)),
            ..EdgeOptimizersConfig::default()
        };
        let vector = EdgeVectorParams::builder(self.dimension, Distance::Dot);
        let vector = match self.quantisation.config() {
            // What is compared lies in memory, and what it was made of on the disk.
            Some(quantised) => vector.quantization_config(quantised).on_disk(true),
            None => vector,
        };
        EdgeConfig::builder()
            .vector(DEFAULT_VECTOR_NAME, vector.build())
            .hnsw_config(graph)
            .optimizers(optimizers)
            .build()
    }
}

impl Quantisation {
    fn config(self) -> Option<QuantizationConfig> {
        match self {
            Self::Off => None,
            Self::Scalar => Some(QuantizationConfig::from(ScalarQuantizationConfig {
                r#type: ScalarType::Int8,
                quantile: Some(SCALAR_QUANTILE),
                always_ram: Some(true),
            })),
            Self::Binary => Some(QuantizationConfig::from(BinaryQuantizationConfig {
                always_ram: Some(true),
                encoding: None,
                query_encoding: Some(BinaryQuantizationQueryEncoding::Scalar8Bits),
            })),
        }
    }

    /// How many times as many as are asked for are compared again as they are.
    fn search(self) -> Option<QuantizationSearchParams> {
        let oversampling = match self {
            Self::Off => return None,
            Self::Scalar => SCALAR_OVERSAMPLING,
            Self::Binary => BINARY_OVERSAMPLING,
        };
        Some(QuantizationSearchParams { ignore: false, rescore: Some(true), oversampling: Some(oversampling) })
    }
}

/// How much of an index is where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Points, about.
    pub(crate) points: usize,
    /// Of those, points in a graph, about.
    pub(crate) in_graphs: usize,
}

/// Why a call into the vendor's code has no result.
enum Trouble {
    Failed(OperationError),
    Panicked(String),
}

/// Why an index could not be rearranged.
pub(crate) struct NotRearranged {
    pub(crate) error: ViewError,
    /// Whether it has the parts that it had before; what was removed meanwhile may be back.
    pub(crate) restored: bool,
}

impl Shard {
    /// Whether `path` holds an index with anything in it.
    pub(crate) fn exists(path: &Path) -> bool {
        fs::read_dir(path.join(SEGMENTS)).is_ok_and(|mut segments| segments.next().is_some())
    }

    /// Opens the index at `path`, or makes an empty one. `epoch` is one that was never used before.
    pub(crate) fn open(path: &Path, shape: Shape, epoch: u64) -> Result<Self, ViewError> {
        fs::create_dir_all(path)
            .and_then(|()| operation_log::restart(path, epoch))
            .map_err(|error| storage("could not prepare the folder of the vector index", error))?;
        let shard =
            guarded("open the vector index", || EdgeShard::load(path, Some(shape.config()))).map_err(|error| {
                let attempted = format!("could not open the vector index; {}", hint(path.parent().unwrap_or(path)));
                ViewError::caused_by(ViewErrorKind::Incompatible, attempted, error)
            })?;
        let shard = Self { shard: Some(shard), path: path.to_owned(), shape };
        shard.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(CreateIndex {
            field_name: collection_path(),
            field_schema: Some(PayloadFieldSchema::FieldType(PayloadSchemaType::Keyword)),
        })))?;
        Ok(shard)
    }

    fn edge(&self) -> &EdgeShard {
        self.shard.as_ref().expect("only `drop` takes the shard")
    }

    fn update(&self, operation: UpdateOperation) -> Result<(), ViewError> {
        guarded("write to the vector index", || self.edge().update(operation))
    }

    /// Inserts or replaces.
    pub(crate) fn upsert(&self, entries: Vec<VectorEntry>) -> Result<(), ViewError> {
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            let points = entries.by_ref().take(limits::VECTOR_OPERATION_POINTS_MAX).map(point).collect();
            let insert = PointOperations::UpsertPoints(PointInsertOperations::PointsList(points));
            self.update(UpdateOperation::PointOperation(insert))?;
        }
        Ok(())
    }

    /// Forgets chunks; unknown ones are skipped.
    pub(crate) fn remove(&self, chunks: &[ChunkId]) -> Result<(), ViewError> {
        for part in chunks.chunks(limits::VECTOR_OPERATION_POINTS_MAX) {
            let ids = part.iter().map(point_id).collect();
            self.update(UpdateOperation::PointOperation(PointOperations::DeletePoints { ids }))?;
        }
        Ok(())
    }

    /// Makes everything written durable, the names of new files included; but not what was removed from the parts that
    /// [`Shard::rearrange`] is at work on. No write may run beside it.
    pub(crate) fn flush(&self) -> Result<(), ViewError> {
        let started = Instant::now();
        loop {
            // The vendor panics where it finds its lock taken, and here it would wait; what is left is to try again.
            self.extent()?;
            let flushed = caught(|| {
                self.edge().flush();
                Ok(())
            });
            match flushed {
                Ok(()) => break,
                Err(Trouble::Panicked(message))
                    if LOCK_TAKEN.contains(&message.as_str()) && started.elapsed() < limits::VECTOR_FLUSH_RETRY_MAX =>
                {
                    thread::sleep(FLUSH_RETRY_INTERVAL);
                }
                Err(trouble) => return Err(trouble.into_error("flush the vector index")),
            }
        }
        // The vendor syncs contents; a power failure could still forget the names of new files.
        self.sync(Durable::Names)
    }

    /// Makes all files durable, whoever wrote them.
    pub(crate) fn sync(&self, what: Durable) -> Result<(), ViewError> {
        sync_below(&self.path, what).map_err(|error| storage("could not sync the vector index", error))
    }

    /// Makes graphs of what has none, and joins small parts and parts with many removed points. Takes seconds to minutes;
    /// searches, writes and flushes go on beside it. What is removed meanwhile is durable only when it has ended and a
    /// flush has followed.
    pub(crate) fn rearrange(&self) -> Result<(), NotRearranged> {
        caught(|| self.edge().optimize()).map(|_| ()).map_err(|trouble| NotRearranged {
            restored: matches!(trouble, Trouble::Failed(_)),
            error: trouble.into_error("make a graph of the vector index"),
        })
    }

    /// How much there is, and in graphs.
    pub(crate) fn extent(&self) -> Result<Extent, ViewError> {
        let info = guarded("look at the vector index", || Ok(self.edge().info()))?;
        Ok(Extent { points: info.points_count, in_graphs: info.indexed_vectors_count })
    }

    /// How much disk the vendor's log has claimed.
    pub(crate) fn log_bytes(&self) -> Result<u64, ViewError> {
        operation_log::bytes(&self.path)
            .map_err(|error| storage("could not measure the log of the vector index", error))
    }

    /// How many points there are, exactly.
    pub(crate) fn count(&self) -> Result<usize, ViewError> {
        guarded("count the vector index", || self.edge().count(CountRequest { filter: None, exact: true }))
    }

    /// How many points a document has, exactly; looks at each point's payload.
    pub(crate) fn count_of(&self, document: DocumentId) -> Result<usize, ViewError> {
        let filter = Some(Filter::new_must(of_document(document)));
        guarded("look into the vector index", || self.edge().count(CountRequest { filter, exact: true }))
    }

    /// Whether any of `chunks` is there.
    pub(crate) fn contains_any(&self, chunks: &[ChunkId]) -> Result<bool, ViewError> {
        for part in chunks.chunks(limits::VECTOR_OPERATION_POINTS_MAX) {
            let ids: Vec<PointId> = part.iter().map(point_id).collect();
            let found = guarded("look into the vector index", || {
                self.edge().retrieve(&ids, Some(false.into()), Some(false.into()))
            })?;
            if !found.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The `limit` nearest chunks of a collection, nearest first, ties in the order of their ids: exactly up to a number of
    /// points, nearly all of them beyond.
    pub(crate) fn nearest(
        &self,
        collection: &CollectionName,
        query: &Embedding,
        limit: usize,
    ) -> Result<Vec<Hit>, ViewError> {
        let exact = self.extent()?.points <= self.shape.exact_points_max;
        let params = SearchParams {
            exact,
            hnsw_ef: Some(limits::VECTOR_SEARCH_WIDTH),
            quantization: self.shape.quantisation.search(),
            // Without it, the walk of a collection that is a small part of a graph sometimes ends after a few points.
            acorn: Some(AcornSearchParams { enable: true, max_selectivity: None }),
            ..SearchParams::default()
        };
        self.query(Filter::new_must(in_collection(collection)), query, limit, params)
    }

    /// The cosines of those of `chunks` that are in a collection.
    pub(crate) fn similarities(
        &self,
        collection: &CollectionName,
        query: &Embedding,
        chunks: &[ChunkId],
    ) -> Result<Vec<Hit>, ViewError> {
        let filter = Filter::new_must(in_collection(collection)).with_point_ids(chunks.iter().map(point_id));
        self.query(filter, query, chunks.len(), SearchParams { exact: true, ..SearchParams::default() })
    }

    /// The directions of those of `chunks` that are in a collection.
    pub(crate) fn directions(
        &self,
        collection: &CollectionName,
        chunks: &[ChunkId],
    ) -> Result<Vec<(ChunkId, Embedding)>, ViewError> {
        let mut found = Vec::with_capacity(chunks.len());
        for part in chunks.chunks(limits::VECTOR_OPERATION_POINTS_MAX) {
            let ids: Vec<PointId> = part.iter().map(point_id).collect();
            let records = guarded("read from the vector index", || {
                self.edge().retrieve(&ids, Some(true.into()), Some(true.into()))
            })?;
            for record in records.iter().filter(|record| is_in(record, collection)) {
                found.push(direction(record)?);
            }
        }
        Ok(found)
    }

    fn query(
        &self,
        filter: Filter,
        query: &Embedding,
        limit: usize,
        params: SearchParams,
    ) -> Result<Vec<Hit>, ViewError> {
        // The vendor reserves room for `limit` results, so a limit beyond the index would only cost memory.
        let limit = limit.min(self.extent()?.points);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let vector = NamedQuery::new(query.values().to_vec().into(), DEFAULT_VECTOR_NAME);
        let request = QueryRequest {
            prefetches: Vec::new(),
            query: Some(ScoringQuery::Vector(QueryEnum::Nearest(vector))),
            filter: Some(filter),
            score_threshold: None,
            limit,
            offset: 0,
            params: Some(params),
            with_vector: false.into(),
            with_payload: false.into(),
        };
        let points = guarded("search the vector index", || self.edge().query(request))?;
        let mut hits: Vec<Hit> = points.iter().filter_map(hit).collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.cmp(&b.chunk)));
        Ok(hits)
    }
}

impl Drop for Shard {
    /// Closes the index. The vendor flushes here and panics where it cannot; what is lost by that is replayed, because
    /// no checkpoint was written for it.
    fn drop(&mut self) {
        let shard = self.shard.take();
        let closed = guarded("close the vector index", || {
            drop(shard);
            Ok(())
        });
        if let Err(error) = closed {
            tracing::error!(error = error.chain(), "the vector index did not close cleanly");
        }
    }
}

impl Trouble {
    fn into_error(self, attempt: &str) -> ViewError {
        match self {
            Self::Failed(error) => storage(format!("could not {attempt}"), error),
            Self::Panicked(message) => storage(format!("could not {attempt}: the engine panicked"), message),
        }
    }
}

/// Runs a call into the vendor's code; an error or a panic becomes a failure that says what was attempted.
fn guarded<T>(attempt: &str, call: impl FnOnce() -> Result<T, OperationError>) -> Result<T, ViewError> {
    caught(call).map_err(|trouble| trouble.into_error(attempt))
}

/// Runs a call into the vendor's code, and ends its panics.
fn caught<T>(call: impl FnOnce() -> Result<T, OperationError>) -> Result<T, Trouble> {
    match panic::catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Trouble::Failed),
        Err(panic) => {
            let message = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|message| (*message).to_owned()))
                .unwrap_or_default();
            Err(Trouble::Panicked(message))
        }
    }
}

fn point(entry: VectorEntry) -> qdrant_edge::PointStructPersisted {
    let payload = json!({ COLLECTION: entry.collection.as_str(), DOCUMENT: entry.document.to_string() });
    PointStruct::new(point_id(&entry.chunk), entry.embedding.values().to_vec(), payload).into()
}

fn point_id(chunk: &ChunkId) -> PointId {
    PointId::Uuid(Uuid::from_bytes(*chunk.as_bytes()))
}

/// Rounding may carry a cosine a little past its bounds.
fn hit(point: &ScoredPoint) -> Option<Hit> {
    match point.id {
        PointId::Uuid(id) => {
            Some(Hit { chunk: ChunkId::from_bytes(*id.as_bytes()), score: point.score.clamp(-1.0, 1.0) })
        }
        PointId::NumId(_) => None,
    }
}

fn is_in(record: &Record, collection: &CollectionName) -> bool {
    let payload = record.payload.as_ref().and_then(|payload| payload.0.get(COLLECTION));
    payload.and_then(|value| value.as_str()) == Some(collection.as_str())
}

/// What a point was written with.
fn direction(record: &Record) -> Result<(ChunkId, Embedding), ViewError> {
    let values = match &record.vector {
        Some(VectorStructInternal::Single(values)) => Some(values),
        Some(VectorStructInternal::Named(named)) => match named.get(DEFAULT_VECTOR_NAME) {
            Some(VectorInternal::Dense(values)) => Some(values),
            _ => None,
        },
        _ => None,
    };
    let (PointId::Uuid(id), Some(values)) = (record.id, values) else {
        return Err(ViewError::new(ViewErrorKind::Storage, "a chunk in the vector index has no vector"));
    };
    let embedding = Embedding::new(values.clone())
        .map_err(|error| storage("could not read a vector of the vector index", error))?;
    Ok((ChunkId::from_bytes(*id.as_bytes()), embedding))
}

fn in_collection(collection: &CollectionName) -> Condition {
    Condition::Field(FieldCondition::new_match(collection_path(), collection.as_str().to_owned().into()))
}

fn of_document(document: DocumentId) -> Condition {
    let path = DOCUMENT.parse().expect("a plain name is a path");
    Condition::Field(FieldCondition::new_match(path, document.to_string().into()))
}

fn collection_path() -> JsonPath {
    COLLECTION.parse().expect("a plain name is a path")
}
