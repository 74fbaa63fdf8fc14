//! What the pages are set up with; a configuration is read into it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Port of the pages by default.
pub const PORT: u16 = 8380;

/// Languages that come with the program.
pub const LANGUAGES: [&str; 3] = ["de", "en", "fr"];

/// Where the pages are served, to whom, and how they look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageConfig {
    /// Address and port that the server listens on.
    pub listen: SocketAddr,
    /// File with the token that other machines have to know; needed where `listen` is not the loopback.
    pub token_file: Option<PathBuf>,
    /// Names by which browsers may call the kiosk, without ports.
    pub hosts: Vec<String>,
    /// Directory with pictures, films and texts of verdicts.
    pub media: Option<PathBuf>,
    /// Language of the visitor's page.
    pub language: Language,
    /// Whether the page names emotions or what can be seen of them.
    pub vocabulary: Vocabulary,
    /// Encryption for other machines; none without.
    pub tls: Option<PageTls>,
}

/// Where the words of the visitor's page come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Language {
    /// A language that the program brings: one of [`LANGUAGES`].
    Shipped(&'static str),
    /// A file of the operator, in the form of those that come with the program.
    File(PathBuf),
}

/// What a verdict is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vocabulary {
    /// By the emotion, such as "happy".
    #[default]
    Emotion,
    /// By what can be seen: "a smile".
    Expression,
}

impl Vocabulary {
    /// Its name in files of words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emotion => "emotion",
            Self::Expression => "expression",
        }
    }
}

/// Certificate and key of the server, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageTls {
    /// The certificate, and those between it and one that browsers trust.
    pub cert_file: PathBuf,
    /// Path of the private key that belongs to it, in PEM.
    pub key_file: PathBuf,
}

impl Default for PageConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            token_file: None,
            hosts: Vec::new(),
            media: None,
            language: Language::Shipped("en"),
            vocabulary: Vocabulary::default(),
            tls: None,
        }
    }
}
