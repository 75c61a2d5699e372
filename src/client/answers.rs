//! What is read of the daemon's answers: the parts that are shown or decided upon, and no more, so that a client
//! gets along with a daemon that says more than it knows.

use serde::Deserialize;

/// One of them, or an array: a submit is answered the way it was made.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// An array.
    Many(Vec<T>),
}

impl<T> From<OneOrMany<T>> for Vec<T> {
    fn from(given: OneOrMany<T>) -> Vec<T> {
        match given {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }
}

/// What a submit, a deletion or a rollback did to an object.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Receipt {
    /// The object.
    pub name: String,
    /// Its generation now.
    pub generation: u64,
    /// `created`, `updated`, `unchanged`, `deleted`.
    pub result: String,
    /// The generation whose spec is back.
    #[serde(default)]
    pub rolled_back_to: Option<u64>,
    /// What became of it, where that was waited for.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Receipt {
    /// Of an object that was deleted by an earlier request, and of which something is left.
    pub fn going(name: String, generation: u64) -> Receipt {
        let result = Receipt::GOING.to_owned();
        Receipt { name, generation, result, rolled_back_to: None, reason: None }
    }

    const GOING: &'static str = "is being deleted already";

    /// The object is gone, or is going.
    pub fn deleted(&self) -> bool {
        matches!(self.result.as_str(), "deleted" | Receipt::GOING)
    }
}

/// What would be done.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Plans {
    /// How many objects are not as they should be.
    pub changes: u64,
    /// Object by object.
    pub objects: Vec<Plan>,
}

/// What would be done to one object.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Plan {
    /// The object.
    pub name: String,
    /// The generation it would have.
    pub generation: u64,
    /// What the submit itself would do.
    pub result: String,
    /// The steps, one line each.
    #[serde(default)]
    pub plan: Vec<String>,
    /// Why the steps are not known.
    #[serde(default)]
    pub waiting: Option<String>,
    /// What will not work.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// There are more steps than were sent.
    #[serde(default)]
    pub truncated: bool,
}

/// The whole status.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Cluster {
    /// The manager.
    #[serde(default)]
    pub manager: Manager,
    /// The endpoint.
    pub engine: Engine,
    /// Object by object.
    pub objects: Vec<Object>,
    /// Those that are stored and cannot be read.
    #[serde(default)]
    pub quarantined: Vec<Quarantined>,
    /// Containers whose object nobody submitted.
    #[serde(default)]
    pub unclaimed: Vec<Container>,
}

/// The manager.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Manager {
    /// Its id.
    #[serde(default)]
    pub id: String,
    /// The cluster that it keeps.
    #[serde(default)]
    pub cluster: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// How durable what was submitted is; whether it can be written.
    #[serde(default)]
    pub state: String,
    /// Other managers of the same cluster.
    #[serde(default)]
    pub rivals: Vec<Rival>,
}

/// Another manager of the same cluster.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Rival {
    /// Its id.
    pub id: String,
    /// How many containers it has there.
    pub containers: u64,
    /// What that means, and what to do.
    pub reason: String,
}

/// An object that is stored and cannot be read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Quarantined {
    /// Its name.
    pub name: String,
    /// Why it cannot be read, and what to do.
    pub reason: String,
}

/// The endpoint.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Engine {
    /// Where it is.
    pub endpoint: String,
    /// Whether it answers.
    pub connected: bool,
    /// What is wrong with it.
    #[serde(default)]
    pub error: Option<String>,
    /// Its version.
    #[serde(default)]
    pub version: Option<String>,
    /// The hosts behind it.
    #[serde(default)]
    pub nodes: Vec<Node>,
}

/// A host behind the endpoint.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its state in the endpoint's own word.
    pub status: String,
}

/// How an object is doing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Object {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// How many containers are wanted.
    pub count: u64,
    /// The generation that was submitted last.
    pub generation: u64,
    /// Containers whose process runs.
    #[serde(default)]
    pub running: u64,
    /// Containers that run and are not known to be unhealthy.
    pub ready: u64,
    /// Live containers of the present spec, ready or not.
    #[serde(default)]
    pub updated: u64,
    /// How it is doing, in a word.
    pub phase: String,
    /// Why, in a sentence.
    pub reason: String,
    /// When the next try is made, where something failed.
    #[serde(default)]
    pub next_retry: Option<String>,
    /// How often its containers ended or became unhealthy without being asked to; older daemons do not say.
    #[serde(default)]
    pub restarts: Option<u64>,
    /// The last time that happened.
    #[serde(default)]
    pub last_exit: Option<LastExit>,
    /// Steps under way and about to begin.
    #[serde(default)]
    pub plan: Vec<String>,
    /// Its containers.
    #[serde(default)]
    pub containers: Vec<Container>,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LastExit {
    /// Its name.
    pub container: String,
    /// When.
    pub at: String,
    /// Why, in a sentence.
    pub reason: String,
}

/// A container of an object.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The node that it is on, where there are nodes.
    #[serde(default)]
    pub node: Option<String>,
    /// Where in its life it is.
    pub state: String,
    /// What its health check says.
    pub health: String,
    /// Its image.
    pub image: String,
    /// Its ports, as `docker ps` shows them.
    #[serde(default)]
    pub ports: Vec<String>,
    /// How often the engine has restarted it.
    #[serde(default)]
    pub restarts: u64,
    /// When its process started.
    #[serde(default)]
    pub started_at: Option<String>,
    /// When its process ended.
    #[serde(default)]
    pub finished_at: Option<String>,
    /// The kernel ended it for lack of memory.
    #[serde(default)]
    pub oom_killed: bool,
    /// What its health check has said last, where that fails.
    #[serde(default)]
    pub health_output: Option<String>,
    /// The exit code of an ended process.
    #[serde(default)]
    pub exit_code: Option<i64>,
    /// What went wrong with it.
    #[serde(default)]
    pub error: Option<String>,
    /// Why it is left alone, where it is.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Container {
    /// Its process exists, or is about to.
    pub fn live(&self) -> bool {
        matches!(self.state.as_str(), "created" | "running" | "paused" | "restarting")
    }
}

/// A line of `/status?watch`.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "Kind", rename_all = "lowercase")]
pub enum Change {
    /// An object is doing otherwise.
    Object {
        /// How.
        #[serde(rename = "Object")]
        object: Object,
    },
    /// Nothing is left of an object.
    Gone {
        /// Which.
        #[serde(rename = "Name")]
        name: String,
    },
    /// The endpoint is doing otherwise.
    Engine {
        /// How.
        #[serde(rename = "Engine")]
        engine: Engine,
    },
    /// Something that a newer daemon tells.
    #[serde(other)]
    Other,
}

/// A line of `/events`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Event {
    /// When.
    #[serde(default)]
    pub at: String,
    /// What it is about.
    pub kind: String,
    /// The object, where it is about one.
    #[serde(default)]
    pub object: Option<String>,
    /// The object's generation.
    #[serde(default)]
    pub generation: Option<u64>,
    /// Who asked for it.
    #[serde(default)]
    pub by: Option<String>,
    /// What happened.
    pub text: String,
}

/// A line of `/objects/NAME/logs`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum LogsLine {
    /// Something about the stream itself.
    #[serde(rename_all = "PascalCase")]
    Note {
        /// `note`, `gone` or `end`.
        kind: String,
        /// The container that it is about.
        #[serde(default)]
        container: Option<String>,
        /// In a sentence.
        #[serde(default)]
        text: String,
    },
    /// What a container wrote.
    #[serde(rename_all = "PascalCase")]
    Line {
        /// The container.
        container: String,
        /// When.
        #[serde(default)]
        at: Option<String>,
        /// The line.
        line: String,
    },
}

/// The past of an object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct History {
    /// When it was deleted, if it was.
    #[serde(default)]
    pub deleted: Option<String>,
    /// Its specs, newest first.
    pub revisions: Vec<Revision>,
}

/// One spec of an object.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Revision {
    /// The generation that it made.
    pub generation: u64,
    /// When it was submitted.
    pub at: String,
    /// By whom.
    #[serde(default)]
    pub by: String,
    /// The generation whose spec it brought back.
    #[serde(default)]
    pub rolled_back_to: Option<u64>,
    /// What was submitted.
    pub object: Submitted,
}

/// Of what was submitted, what a line has room for.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Submitted {
    /// The image.
    pub image: String,
    /// How many containers.
    pub count: u64,
}

/// What was submitted, as `/objects` has it, of which a line has room for this much.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Stored {
    /// The object.
    pub name: String,
    /// How many containers.
    pub count: u64,
    /// The image.
    pub image: String,
    /// Its generation.
    pub generation: u64,
}

/// Of the whole status, what says which versions are at work.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Versions {
    /// The manager.
    pub manager: ManagerVersion,
    /// The endpoint.
    pub engine: EngineVersion,
}

/// The manager's version.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManagerVersion {
    /// The version of the program.
    pub version: String,
}

/// The endpoint's version.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EngineVersion {
    /// Where it is.
    pub endpoint: String,
    /// Whether it answers.
    pub connected: bool,
    /// What it is.
    #[serde(default)]
    pub kind: Option<String>,
    /// Its version.
    #[serde(default)]
    pub version: Option<String>,
    /// The version of the API that is spoken with it.
    #[serde(default)]
    pub api_version: Option<String>,
}
