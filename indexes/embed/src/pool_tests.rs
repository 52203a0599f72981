//! Model threads, with a model that does what a test tells it to.

use std::sync::mpsc;
use std::time::Duration;

use super::*;

/// Embeds a text as the direction of its length; refuses `bad`, panics at `panic`, and waits at `wait` until told.
struct Scripted {
    runs: mpsc::Sender<Vec<String>>,
    go: mpsc::Receiver<()>,
}

impl Model for Scripted {
    fn embed(&mut self, texts: &[String]) -> Result<Vec<Embedding>, EmbedError> {
        self.runs.send(texts.to_vec()).unwrap();
        if texts.iter().any(|text| text == "wait") {
            self.go.recv_timeout(Duration::from_secs(10)).unwrap();
        }
        assert!(!texts.iter().any(|text| text == "panic"));
        if texts.iter().any(|text| text == "bad") {
            return Err(EmbedError::new(EmbedErrorKind::Model, "refused"));
        }
        Ok(texts.iter().map(|text| direction(text.len())).collect())
    }
}

fn direction(length: usize) -> Embedding {
    Embedding::new(vec![1.0, length as f32]).unwrap()
}

struct Stage {
    pool: Arc<Pool>,
    runs: mpsc::Receiver<Vec<String>>,
    go: mpsc::Sender<()>,
}

fn stage() -> Stage {
    stage_with(&[])
}

/// One model for every text, and more besides, which are never told to go on.
fn stage_with(more: &[Duty]) -> Stage {
    let (runs_sender, runs) = mpsc::channel();
    let (go, go_receiver) = mpsc::channel();
    let mut models: Vec<(Box<dyn Model>, Duty)> = Vec::new();
    for duty in more {
        let model = Scripted { runs: runs_sender.clone(), go: mpsc::channel().1 };
        models.push((Box::new(model), *duty));
    }
    models.push((Box::new(Scripted { runs: runs_sender, go: go_receiver }), Duty::Both));
    Stage { pool: Arc::new(Pool::start(models, 100).unwrap()), runs, go }
}

fn texts(words: &[&str]) -> Vec<Text> {
    words.iter().map(|word| Text { text: (*word).to_owned(), tokens: 10 }).collect()
}

/// Starts a request and waits until the model has it in work.
async fn occupy(stage: &Stage) -> tokio::task::JoinHandle<Result<Vec<Embedding>, EmbedError>> {
    let pool = Arc::clone(&stage.pool);
    let task = tokio::spawn(async move { pool.embed(texts(&["wait"]), Lane::Bulk).await });
    loop {
        tokio::task::yield_now().await;
        if stage.runs.try_recv().is_ok() {
            return task;
        }
    }
}

#[tokio::test]
async fn a_refused_text_fails_alone() {
    let stage = stage();
    let busy = occupy(&stage).await;
    let good = {
        let pool = Arc::clone(&stage.pool);
        tokio::spawn(async move { pool.embed(texts(&["four", "three"]), Lane::Bulk).await })
    };
    let bad = {
        let pool = Arc::clone(&stage.pool);
        tokio::spawn(async move { pool.embed(texts(&["bad"]), Lane::Bulk).await })
    };
    tokio::task::yield_now().await;
    stage.go.send(()).unwrap();
    busy.await.unwrap().unwrap();
    assert_eq!(good.await.unwrap().unwrap(), [direction(4), direction(5)]);
    assert_eq!(bad.await.unwrap().unwrap_err().kind(), EmbedErrorKind::Model);
    assert_eq!(stage.runs.recv().unwrap(), ["four", "three", "bad"], "they shared a run before it was repeated");
}

#[tokio::test]
async fn a_dropped_future_takes_its_texts_out_of_the_queue() {
    let stage = stage();
    let busy = occupy(&stage).await;
    let abandoned = {
        let pool = Arc::clone(&stage.pool);
        tokio::spawn(async move { pool.embed(texts(&["abandoned"]), Lane::Bulk).await })
    };
    tokio::task::yield_now().await;
    abandoned.abort();
    assert!(abandoned.await.unwrap_err().is_cancelled());
    stage.go.send(()).unwrap();
    busy.await.unwrap().unwrap();
    stage.pool.embed(texts(&["next"]), Lane::Bulk).await.unwrap();
    assert_eq!(stage.runs.recv().unwrap(), ["next"]);
}

#[tokio::test]
async fn a_full_bulk_lane_makes_the_caller_wait_and_nothing_is_lost() {
    let stage = stage();
    let many: Vec<Text> = (0..3 * wellspring_core::limits::EMBED_QUEUE_MAX)
        .map(|index| Text { text: "x".repeat(index % 7), tokens: 10 + index * 7 % 40 })
        .collect();
    let expected: Vec<Embedding> = (0..many.len()).map(|index| direction(index % 7)).collect();
    assert_eq!(stage.pool.embed(many, Lane::Bulk).await.unwrap(), expected);
}

#[tokio::test]
async fn an_interactive_request_beyond_the_lane_is_busy() {
    let stage = stage();
    let many =
        (0..=wellspring_core::limits::EMBED_QUEUE_MAX).map(|_| Text { text: String::new(), tokens: 1 }).collect();
    assert_eq!(stage.pool.embed(many, Lane::Interactive).await.unwrap_err().kind(), EmbedErrorKind::Busy);
}

#[tokio::test]
async fn a_pool_whose_last_thread_died_says_so() {
    let stage = stage();
    let died = stage.pool.embed(texts(&["panic"]), Lane::Bulk).await.unwrap_err();
    assert_eq!(died.kind(), EmbedErrorKind::Stopped);
    let after = stage.pool.embed(texts(&["next"]), Lane::Bulk).await.unwrap_err();
    assert_eq!(after.kind(), EmbedErrorKind::Stopped);
}

#[tokio::test]
async fn a_question_is_embedded_while_every_other_thread_is_in_a_bulk_run() {
    let stage = stage_with(&[Duty::Interactive]);
    let busy = occupy(&stage).await;
    for question in ["why", "where"] {
        stage.pool.embed(texts(&[question]), Lane::Interactive).await.unwrap();
        assert_eq!(stage.runs.recv().unwrap(), [question]);
    }
    stage.go.send(()).unwrap();
    busy.await.unwrap().unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn threads_that_may_be_in_a_bulk_run_give_way_and_the_one_for_questions_does_not() {
    let nice = || rustix::process::getpriority_process(None).unwrap();
    let (priorities_sender, priorities) = mpsc::channel();
    let models = [Duty::Interactive, Duty::Bulk]
        .map(|duty| (Box::new(Prioritised(priorities_sender.clone())) as Box<dyn Model>, duty));
    let pool = Pool::start(models.into(), 100).unwrap();
    pool.embed(texts(&["question"]), Lane::Interactive).await.unwrap();
    assert_eq!(priorities.recv().unwrap(), nice());
    pool.embed(texts(&["passage"]), Lane::Bulk).await.unwrap();
    assert_eq!(priorities.recv().unwrap(), (nice() + wellspring_core::limits::BACKGROUND_NICENESS).min(19));
}

/// Tells the priority of the thread that it runs on.
#[cfg(target_os = "linux")]
struct Prioritised(mpsc::Sender<i32>);

#[cfg(target_os = "linux")]
impl Model for Prioritised {
    fn embed(&mut self, texts: &[String]) -> Result<Vec<Embedding>, EmbedError> {
        self.0.send(rustix::process::getpriority_process(None).unwrap()).unwrap();
        Ok(texts.iter().map(|text| direction(text.len())).collect())
    }
}

#[tokio::test]
async fn a_pool_that_nobody_embeds_passages_in_any_longer_says_that_it_stopped() {
    let stage = stage_with(&[Duty::Interactive]);
    stage.pool.embed(texts(&["panic"]), Lane::Bulk).await.unwrap_err();
    let after = stage.pool.embed(texts(&["next"]), Lane::Bulk).await.unwrap_err();
    assert_eq!(after.kind(), EmbedErrorKind::Stopped);
}
