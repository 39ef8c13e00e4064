//! What a node does, when the work is divided between several.

use std::fmt;
use std::str::FromStr;

/// One kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers the API and serves pages and files.
    Api,
    /// Runs predictions.
    Run,
    /// Sends webhooks.
    Deliver,
}

/// What a node does. At least one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// [`Role::Api`].
    pub api: bool,
    /// [`Role::Run`].
    pub run: bool,
    /// [`Role::Deliver`].
    pub deliver: bool,
}

impl Role {
    /// All of them, in the order in which they are named.
    pub const ALL: [Self; 3] = [Self::Api, Self::Run, Self::Deliver];

    /// As the configuration names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Run => "run",
            Self::Deliver => "deliver",
        }
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(())
    }
}

impl Roles {
    /// One process does everything.
    pub const ALL: Self = Self { api: true, run: true, deliver: true };

    /// Whether this is one of them.
    pub const fn has(self, role: Role) -> bool {
        match role {
            Role::Api => self.api,
            Role::Run => self.run,
            Role::Deliver => self.deliver,
        }
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Role::ALL.into_iter().filter(move |role| self.has(*role)).map(Role::name)
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        let mut all = Self { api: false, run: false, deliver: false };
        for role in roles {
            match role {
                Role::Api => all.api = true,
                Role::Run => all.run = true,
                Role::Deliver => all.deliver = true,
            }
        }
        all
    }
}

/// `api run deliver`
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().collect::<Vec<_>>().join(" "))
    }
}
