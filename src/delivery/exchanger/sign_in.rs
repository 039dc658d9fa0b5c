//! What a host that the operator named is signed in to with.

use std::sync::Arc;

use crate::delivery::tokens::{TokenSource, TokenTrouble};
use crate::model::smtp::client::{Credentials, Secret, TokenMechanism};

/// What to sign in with. Printing it for debugging shows no secret.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// Always with the same.
    Fixed(Credentials),
    /// With a token of the moment.
    Token(TokenSignIn),
}

/// Who signs in with tokens, and where they come from.
#[derive(Clone, Debug)]
pub struct TokenSignIn {
    /// The mailbox.
    pub login: String,
    /// How the token is given.
    pub mechanism: TokenMechanism,
    /// Who has it.
    pub tokens: Arc<TokenSource>,
}

impl SignIn {
    /// Whether a host that refuses one would refuse the other as well.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fixed(own), Self::Fixed(other)) => own == other,
            (Self::Token(own), Self::Token(other)) => {
                (&own.login, own.mechanism) == (&other.login, other.mechanism) && own.tokens.is_like(&other.tokens)
            }
            (Self::Fixed(_), Self::Token(_)) | (Self::Token(_), Self::Fixed(_)) => false,
        }
    }

    /// What to sign in with now.
    ///
    /// # Errors
    /// When there is no token.
    pub async fn credentials(&self) -> Result<Credentials, TokenTrouble> {
        match self {
            Self::Fixed(credentials) => Ok(credentials.clone()),
            Self::Token(own) => own.tokens.token().await.map(|token| own.with(token)),
        }
    }

    /// What to sign in with in place of what was refused; none when there is nothing better.
    ///
    /// # Errors
    /// When another token cannot be had.
    pub async fn instead_of(&self, refused: &Credentials) -> Result<Option<Credentials>, TokenTrouble> {
        match (self, &refused.secret) {
            (Self::Token(own), Secret::Token { token, .. }) => {
                Ok(own.tokens.renew(token).await?.map(|token| own.with(token)))
            }
            (Self::Fixed(_) | Self::Token(_), _) => Ok(None),
        }
    }
}

impl TokenSignIn {
    fn with(&self, token: String) -> Credentials {
        Credentials { login: self.login.clone(), secret: Secret::Token { mechanism: self.mechanism, token } }
    }
}
