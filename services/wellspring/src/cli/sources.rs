//! What can be typed behind `wellspring sources`?

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use wellspring_core::source::Remains;

/// `sources`.
#[derive(Debug, Args)]
pub(crate) struct SourcesArguments {
    /// What to do; `list` when nothing is said.
    #[command(subcommand)]
    pub(crate) action: Option<SourcesAction>,
}

/// What to do with sources.
#[derive(Debug, Subcommand)]
pub(crate) enum SourcesAction {
    /// Add a source, or change the settings of one from the same place.
    #[command(after_help = "Examples:
  wellspring sources add folder ~/notes --include '*.md' --exclude drafts --gitignore
  wellspring sources add feed https://blog.example/feed.xml --articles --tag news
  wellspring sources add site https://handbook.example/ --depth 2 --pages 500
  wellspring sources add page http://wiki.internal/oncall --private-host wiki.internal")]
    Add {
        /// Where the documents come from.
        #[command(subcommand)]
        origin: NewOrigin,
    },
    /// List sources by name.
    #[command(after_help = "Example:
  wellspring sources list")]
    List,
    /// Show everything that is known of one source.
    #[command(after_help = "Example:
  wellspring sources show notes              settings, visits, what was passed over and why")]
    Show {
        /// Its name.
        name: String,
    },
    /// Leave a source alone; its documents stay.
    #[command(after_help = "Example:
  wellspring sources pause notes")]
    Pause {
        /// Its name.
        name: String,
    },
    /// Let a paused source go on.
    #[command(after_help = "Example:
  wellspring sources resume notes")]
    Resume {
        /// Its name.
        name: String,
    },
    /// Visit a source now instead of when it was planned.
    #[command(after_help = "Example:
  wellspring sources refresh notes")]
    Refresh {
        /// Its name.
        name: String,
    },
    /// Say that the deletions which a source holds back are meant.
    #[command(after_help = "Example:
  wellspring sources release notes           the files are really gone: delete their documents")]
    Release {
        /// Its name.
        name: String,
    },
    /// Remove a source.
    #[command(
        after_help = "Documents that are kept belong to nobody: `wellspring documents delete` and pushes may change
them, and a source of the same name takes them up again.

Examples:
  wellspring sources remove notes                      its documents stay
  wellspring sources remove notes --documents delete   they are deleted with it"
    )]
    Remove {
        /// Its name.
        name: String,
        /// What becomes of its documents.
        #[arg(long, value_enum, default_value_t = Documents::Keep)]
        documents: Documents,
    },
}

/// Where a new source's documents come from.
#[derive(Debug, Subcommand)]
pub(crate) enum NewOrigin {
    /// A folder on the service's machine, kept up with as it changes.
    #[command(
        after_help = "A glob without `/` means a name, wherever it stands; one with `/` means a path below the folder.

Example:
  wellspring sources add folder ~/notes --include '*.md' --include 'reports/**' --exclude drafts"
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// A glob of what is wanted; may be given several times, everything when not given.
        #[arg(long, value_name = "GLOB")]
        include: Vec<String>,
        /// A glob of what is not wanted; may be given several times.
        #[arg(long, value_name = "GLOB")]
        exclude: Vec<String>,
        /// Leave out what `.gitignore` files in the folder name.
        #[arg(long)]
        gitignore: bool,
        #[command(flatten)]
        common: NewSource,
    },
    /// An RSS, Atom or JSON feed; each entry is a document.
    #[command(after_help = "Example:
  wellspring sources add feed https://blog.example/feed.xml --articles")]
    Feed {
        /// The feed's address.
        url: String,
        /// Fetch the article behind each entry, and keep that instead of the entry's own text.
        #[arg(long)]
        articles: bool,
        #[command(flatten)]
        common: NewSource,
    },
    /// The pages of one host, by its sitemap or by following links.
    #[command(after_help = "Example:
  wellspring sources add site https://handbook.example/ --depth 2 --pages 500")]
    Site {
        /// Where to begin.
        url: String,
        /// The address of its sitemap, read whatever --depth says; looked for when not given.
        #[arg(long, value_name = "URL")]
        sitemap: Option<String>,
        /// Links from the beginning to a page.
        #[arg(long, value_name = "N", default_value_t = wellspring_core::limits::SITE_DEPTH_DEFAULT)]
        depth: u32,
        /// The most pages.
        #[arg(long, value_name = "N", default_value_t = wellspring_core::limits::SITE_PAGES_DEFAULT)]
        pages: u32,
        #[command(flatten)]
        common: NewSource,
    },
    /// One page.
    #[command(after_help = "Example:
  wellspring sources add page https://example.org/terms.html --name terms")]
    Page {
        /// Its address.
        url: String,
        #[command(flatten)]
        common: NewSource,
    },
}

/// What every kind of source has.
#[derive(Debug, Args)]
pub(crate) struct NewSource {
    /// Its name; made of the folder's name or the host when not given.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The collection that its documents go to.
    #[arg(long, default_value = "default")]
    pub(crate) collection: String,
    /// A host that may lie in a private network; may be given several times.
    #[arg(long = "private-host", value_name = "HOST")]
    pub(crate) private_hosts: Vec<String>,
    /// A label for each of its documents; may be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
}

/// What becomes of the documents of a removed source.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Documents {
    /// They stay.
    Keep,
    /// They are deleted.
    Delete,
}

impl From<Documents> for Remains {
    fn from(documents: Documents) -> Self {
        match documents {
            Documents::Keep => Self::Keep,
            Documents::Delete => Self::Delete,
        }
    }
}
