//! Many commands, one round trip.

use fred::{
    bytes::{Bytes, BytesMut},
    error::Error as FredError,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, Value},
};

use crate::{
    connection::Connection,
    error::{RedisError, is_answer},
};

/// The most commands that are on their way at once: bounds memory here and in Redis.
pub(crate) const MOST_COMMANDS: usize = 10_000;

/// What Redis answers to one command.
pub(crate) type Answer = Result<Value, FredError>;

/// Commands that travel together.
#[derive(Default)]
pub(crate) struct Commands {
    list: Vec<Command>,
    /// The text of all arguments lies in a few large blocks, of which each argument is a slice:
    /// fred copies the commands of a pipeline, and a copy of a slice costs no allocation.
    text: BytesMut,
}

struct Command {
    verb: &'static str,
    arguments: Vec<Value>,
}

/// The size of the blocks of text.
const BLOCK: usize = 64 * 1024;

impl Commands {
    pub(crate) fn with_capacity(commands: usize) -> Self {
        Self { list: Vec::with_capacity(commands), text: BytesMut::with_capacity(BLOCK) }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// A text as an argument.
    pub(crate) fn text(&mut self, text: &str) -> Bytes {
        if self.text.capacity() < text.len() {
            self.text = BytesMut::with_capacity(BLOCK.max(text.len()));
        }
        self.text.extend_from_slice(text.as_bytes());
        self.text.split().freeze()
    }

    /// Adds a command whose first argument is its key.
    pub(crate) fn push(&mut self, verb: &'static str, arguments: Vec<Value>) {
        self.list.push(Command { verb, arguments });
    }
}

impl Command {
    /// fred's own `hset` takes a map, which hashes every field and forgets their order.
    fn custom(&self) -> CustomCommand {
        CustomCommand::new_static(self.verb, ClusterHash::FirstKey, false)
    }
}

impl Connection {
    /// Sends commands over one connection (in a cluster: one for each node), and hands out the
    /// answers in their order. Commands for the same key run in their order.
    ///
    /// # Errors
    ///
    /// When there is no connection, or it is lost, or an answer does not come in time. What Redis
    /// says to a single command is an answer.
    pub(crate) async fn send(&self, commands: Commands) -> Result<Vec<Answer>, RedisError> {
        let mut list = commands.list;
        let Some(last) = list.pop() else { return Ok(Vec::new()) };
        let client = self.ready().await?;
        let broken = |cause| RedisError::broken(&self.place, self.command_timeout, cause);

        // fred flushes its socket after a command when no other waits in its queue, and a pipeline is
        // one entry of the queue: each of its commands would be a system call. With the last command
        // standing behind the pipeline, what comes before it leaves in large blocks.
        let alone = client.with_options(&self.options);
        let last = alone.custom::<Value, Value>(last.custom(), last.arguments);
        let pipeline = client.pipeline().with_options(&self.options);
        let expected = list.len();
        for command in list {
            let custom = command.custom();
            pipeline.custom::<(), Value>(custom, command.arguments).await.map_err(broken)?;
        }
        // The first poll of each puts it into the queue: `biased` keeps the order.
        let (mut answers, last) = tokio::join!(biased; pipeline.try_all::<Value>(), last);

        if answers.len() != expected {
            // Not an answer for each: one error for all.
            let lost = || {
                FredError::new(
                    fred::error::ErrorKind::Protocol,
                    format!("{expected} answers expected"),
                )
            };
            return Err(broken(answers.into_iter().find_map(Result::err).unwrap_or_else(lost)));
        }
        answers.push(last);
        for answer in &mut answers {
            match answer {
                Err(error) if !is_answer(error) => return Err(broken(error.clone())),
                _ => {}
            }
        }
        Ok(answers)
    }
}
