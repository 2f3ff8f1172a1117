//! The authorization server: issues, revokes, introspects, and checks every request's token.
//!
//! Order of every call (row Y19): certificate and party admitted now, rate, then the form or the
//! token. Nothing here reads a clock or a random source; they are ports.

use core::num::NonZeroUsize;
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::id::{ConsentId, Origin, SpId};
use ics_core::party::{Party, PartyStatus};
use ics_core::port::{Authenticator, Clock, DirectorySource, Entropy, RateLimiter};
use ics_core::principal::{
    AuthenticationFailure, CertificateThumbprint, PeerCertificate, Principal, Proof,
};
use ics_core::reference_point::{ReferencePoint, Scopes};
use ics_core::time::Timestamp;
use oxide_auth::primitives::registrar::{ExactUrl, RegisteredUrl};

use crate::authorization::{self, Authorization, Authorizations, Redeemed, Worthless};
use crate::desk::ConsentDesk;
use crate::error::Refusal;
use crate::grant::{Client, grant_client_credentials};
use crate::metadata::Metadata;
use crate::pushed::PushedRequest;
use crate::token::{AccessToken, TokenHash};
use crate::token_table::{MemoryTokenTable, TokenGrant, TokenTable};
use crate::wire::{
    ActiveToken, Confirmation, Form, IntrospectionResponse, PushedResponse, TokenResponse,
};

/// What a token that was issued for a code opens.
const CODE_SCOPES: Scopes = Scopes::NONE.with(ReferencePoint::Ics1);

/// What the operator sets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer (RFC 8414): the origin clients reach the T8 listener at.
    pub issuer: Origin,
    /// How long a token works; whole seconds, 1 s to 1 h, 600 s by default.
    pub token_lifetime: Duration,
    /// How many live tokens a client may hold; one more, and its oldest goes.
    pub tokens_per_client: NonZeroUsize,
    /// Who may ask what the tokens of others are (RFC 7662); nobody by default.
    pub resource_servers: Vec<SpId>,
    /// Where users are asked for their consent, if they are.
    pub authorization_endpoint: Option<String>,
}

impl Settings {
    /// How long a token works unless the operator says otherwise (decision 2 of the design).
    pub const TOKEN_LIFETIME: Duration = Duration::from_secs(600);
    /// How many tokens a client may hold unless the operator says otherwise.
    pub const TOKENS_PER_CLIENT: NonZeroUsize = match NonZeroUsize::new(1024) {
        Some(cap) => cap,
        None => NonZeroUsize::MIN,
    };

    /// The defaults for an issuer.
    #[must_use]
    pub const fn new(issuer: Origin) -> Self {
        let (token_lifetime, tokens_per_client) = (Self::TOKEN_LIFETIME, Self::TOKENS_PER_CLIENT);
        Self {
            issuer,
            token_lifetime,
            tokens_per_client,
            resource_servers: Vec::new(),
            authorization_endpoint: None,
        }
    }
}

/// Why settings cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSettings {
    /// The issuer is no URL for the engine.
    #[error("the issuer is no URL")]
    Issuer,
    /// The lifetime is not between a second and an hour.
    #[error("the lifetime of tokens must be 1 s to 1 h")]
    Lifetime,
}

/// What the server needs and does not do itself.
#[derive(Clone)]
pub struct Ports {
    /// Who is served, and with which roles.
    pub directory: Arc<dyn DirectorySource>,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// Where tokens come from.
    pub entropy: Arc<dyn Entropy>,
    /// Keeps clients within their limits.
    pub rate_limiter: Arc<dyn RateLimiter>,
    /// Where consents are asked for.
    pub desk: Arc<dyn ConsentDesk>,
}

/// The authorization server (RFC 6749) and the check of its tokens (RFC 8705 3).
pub struct AuthorizationServer {
    issuer: Origin,
    token_lifetime: Duration,
    no_redirect: RegisteredUrl,
    metadata: Metadata,
    resource_servers: Vec<SpId>,
    has_consent_page: bool,
    ports: Ports,
    tokens: Arc<dyn TokenTable>,
    authorizations: Authorizations,
    /// Consents whose codes came twice, until [`Self::settle`].
    replayed: Mutex<Vec<ConsentId>>,
}

/// A client whose certificate was admitted, at one instant.
pub(crate) struct Admitted<'a> {
    peer: &'a PeerCertificate,
    party: Arc<Party>,
    now: Timestamp,
}

impl AuthorizationServer {
    /// A server with an empty [`MemoryTokenTable`].
    ///
    /// # Errors
    /// [`InvalidSettings`].
    pub fn new(settings: Settings, ports: Ports) -> Result<Self, InvalidSettings> {
        let table = MemoryTokenTable::new(settings.tokens_per_client);
        Self::with_table(settings, ports, Arc::new(table))
    }

    /// A server over another table; the cap of `settings` is that table's to keep.
    ///
    /// # Errors
    /// [`InvalidSettings`].
    pub fn with_table(
        settings: Settings,
        ports: Ports,
        tokens: Arc<dyn TokenTable>,
    ) -> Result<Self, InvalidSettings> {
        let Settings {
            issuer,
            token_lifetime,
            tokens_per_client: _,
            resource_servers,
            authorization_endpoint,
        } = settings;
        if !(1..=3600).contains(&token_lifetime.as_secs()) {
            return Err(InvalidSettings::Lifetime);
        }
        let url = ExactUrl::new(issuer.as_str().into()).map_err(|_| InvalidSettings::Issuer)?;
        Ok(Self {
            metadata: Metadata::of(issuer.as_str(), authorization_endpoint.as_deref()),
            resource_servers,
            has_consent_page: authorization_endpoint.is_some(),
            no_redirect: RegisteredUrl::Exact(url),
            token_lifetime: Duration::from_secs(token_lifetime.as_secs()),
            issuer,
            ports,
            tokens,
            authorizations: Authorizations::default(),
            replayed: Mutex::default(),
        })
    }

    /// Takes up what a client pushed, once: its user has come.
    #[must_use]
    pub fn take_up(&self, client: &SpId, request_uri: &str) -> Option<Authorization> {
        let now = self.ports.clock.now();
        self.authorizations.take_up(client, request_uri, now)
    }

    /// The user consented: the address to send them back to, with a code. `None` where none can be
    /// made.
    #[must_use]
    pub fn grant(&self, authorization: &Authorization, consent: ConsentId) -> Option<String> {
        let means = (self.issuer.as_str(), self.ports.entropy.as_ref());
        let now = self.ports.clock.now();
        self.authorizations
            .grant(authorization, consent, means, now)
    }

    /// The user did not consent, or could not: the address to send them back to, with an error of
    /// RFC 6749 4.1.2.1.
    #[must_use]
    pub fn refuse(&self, authorization: &Authorization, error: &'static str) -> String {
        Authorizations::refuse(authorization, error, self.issuer.as_str())
    }

    /// Drops all tokens of an SP: it was suspended or removed, or its roles changed. Returns how
    /// many there were. The tokens did not work any more; this frees them and keeps them from
    /// working again when the SP is resumed.
    pub fn drop_tokens_of_sp(&self, sp: &SpId) -> usize {
        self.tokens.remove_of_sp(sp)
    }

    /// Drops all tokens bound to a certificate: it was revoked. Returns how many there were.
    pub fn drop_tokens_of_certificate(&self, thumbprint: &CertificateThumbprint) -> usize {
        self.tokens.remove_of_certificate(thumbprint)
    }

    /// Drops all tokens issued for a consent: its user withdrew it. Returns how many there were.
    pub fn drop_tokens_of_consent(&self, consent: ConsentId) -> usize {
        self.tokens.remove_of_consent(consent)
    }

    /// Takes back the consents whose codes came twice.
    pub(crate) async fn settle(&self) {
        let replayed = {
            let mut held = self.replayed.lock().unwrap_or_else(PoisonError::into_inner);
            core::mem::take(&mut *held)
        };
        for consent in replayed {
            self.ports.desk.take_back(consent).await;
        }
    }

    pub(crate) const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// RFC 8705 2: the client is the certificate of the connection; without one, nobody.
    pub(crate) fn admit<'a>(
        &self,
        peer: Option<&'a PeerCertificate>,
    ) -> Result<Admitted<'a>, Refusal> {
        let now = self.ports.clock.now();
        let peer = peer.ok_or(Refusal::Client(AuthenticationFailure::NoCertificate))?;
        let directory = self.ports.directory.snapshot();
        let party = Arc::clone(directory.admit(peer, now).map_err(Refusal::Client)?);
        self.ports.rate_limiter.admit(&party, now)?;
        Ok(Admitted { peer, party, now })
    }

    /// RFC 9126 2: a request that its user will be asked about.
    pub(crate) fn push(
        &self,
        admitted: &Admitted<'_>,
        form: &Form,
    ) -> Result<PushedResponse, Refusal> {
        check_client(admitted, form)?;
        if !self.has_consent_page {
            return Err(Refusal::NoConsentPage);
        }
        let Admitted { peer, party, now } = admitted;
        let request = PushedRequest::parse(form, party)?;
        let client = Principal {
            sp: peer.sp.clone(),
            proof: Proof::Certificate(Arc::new(PeerCertificate::clone(peer))),
            scopes: CODE_SCOPES,
            consent: None,
        };
        let offer = self.ports.desk.offer(&client, &request.ask, *now);
        let offer = offer.map_err(Refusal::NotOffered)?;
        let entropy = self.ports.entropy.as_ref();
        let pushed = (peer.sp.clone(), request, offer);
        let request_uri = self.authorizations.push(pushed, entropy, *now);
        Ok(PushedResponse {
            request_uri: request_uri.ok_or(Refusal::Engine)?,
            expires_in: authorization::REQUEST_LIFETIME.as_secs(),
        })
    }

    /// RFC 6749 4.1.3 or 4.4.
    pub(crate) fn issue(
        &self,
        admitted: &Admitted<'_>,
        form: &Form,
    ) -> Result<TokenResponse, Refusal> {
        check_client(admitted, form)?;
        match form.value("grant_type") {
            Some("authorization_code") if self.has_consent_page => self.redeem(admitted, form),
            _ => self.issue_to_client(admitted, form),
        }
    }

    /// RFC 6749 4.1.3, RFC 7636 4.6: a token that makes one mapping on one consent.
    fn redeem(&self, admitted: &Admitted<'_>, form: &Form) -> Result<TokenResponse, Refusal> {
        let Admitted { peer, party, now } = admitted;
        let need = |name| form.value(name).ok_or(Refusal::ParameterMissing(name));
        let shown = (need("code")?, need("redirect_uri")?, need("code_verifier")?);
        // A role taken back since takes the code with it.
        if !party.scopes().covers(CODE_SCOPES) {
            return Err(Refusal::Grant);
        }
        let issue = |Redeemed { consent }| {
            let token = AccessToken::mint(self.ports.entropy.as_ref());
            let hash = TokenHash::of(token.expose())?;
            let grant = TokenGrant {
                sp: peer.sp.clone(),
                thumbprint: peer.thumbprint,
                scopes: CODE_SCOPES,
                consent: Some(consent),
                issued: *now,
                expires: now.plus(authorization::TOKEN_LIFETIME),
            };
            self.tokens.insert(hash, grant);
            Some((token, hash))
        };
        match self.authorizations.redeem(&peer.sp, shown, *now, issue) {
            Ok(token) => Ok(TokenResponse {
                access_token: token.ok_or(Refusal::Engine)?.into_text(),
                token_type: "Bearer",
                expires_in: authorization::TOKEN_LIFETIME.as_secs(),
                scope: CODE_SCOPES.to_string(),
            }),
            Err(Worthless::Not) => Err(Refusal::Grant),
            Err(Worthless::Replayed { consent, token }) => {
                tracing::warn!(sp = %peer.sp, "a code came twice: what it issued is revoked");
                if let Some(token) = token {
                    self.tokens.remove(&peer.sp, &token);
                }
                let mut held = self.replayed.lock().unwrap_or_else(PoisonError::into_inner);
                held.push(consent);
                Err(Refusal::Grant)
            }
        }
    }

    /// RFC 6749 4.4.
    fn issue_to_client(
        &self,
        admitted: &Admitted<'_>,
        form: &Form,
    ) -> Result<TokenResponse, Refusal> {
        let Admitted { peer, party, now } = admitted;
        let client = Client {
            peer,
            party,
            no_redirect: &self.no_redirect,
        };
        let keep = |scopes| self.keep_new_token(peer, scopes, *now);
        let (token, scopes) = grant_client_credentials(client, form, &keep)?;
        tracing::debug!(sp = %peer.sp, %scopes, "access token issued");
        Ok(TokenResponse {
            access_token: token.into_text(),
            token_type: "Bearer",
            expires_in: self.token_lifetime.as_secs(),
            scope: scopes.to_string(),
        })
    }

    /// RFC 7009: of the caller's own tokens; 200 for every other text (2.2).
    pub(crate) fn revoke(&self, admitted: &Admitted<'_>, form: &Form) -> Result<(), Refusal> {
        check_client(admitted, form)?;
        let token = form.value("token").ok_or(Refusal::TokenMissing)?;
        if let Some(hash) = TokenHash::of(token) {
            self.tokens.remove(&admitted.peer.sp, &hash);
        }
        Ok(())
    }

    /// RFC 7662, for resource servers alone: active is what would be served now, to its own client on
    /// a connection of its certificate, and nothing else.
    pub(crate) fn introspect(
        &self,
        admitted: &Admitted<'_>,
        form: &Form,
    ) -> Result<IntrospectionResponse, Refusal> {
        check_client(admitted, form)?;
        if !self.resource_servers.contains(&admitted.peer.sp) {
            return Err(Refusal::NotResourceServer);
        }
        let token = form.value("token").ok_or(Refusal::TokenMissing)?;
        let directory = self.ports.directory.snapshot();
        let grant = TokenHash::of(token).and_then(|hash| self.tokens.find_of_any(&hash));
        let grant = grant.filter(|grant| {
            let party = directory.party(&grant.sp);
            let is_served = party.is_some_and(|party| {
                party.status == PartyStatus::Active && party.scopes().covers(grant.scopes)
            });
            is_served && grant.is_live(admitted.now)
        });
        Ok(grant.map_or(IntrospectionResponse::INACTIVE, |grant| {
            IntrospectionResponse::Active(self.describe(&grant))
        }))
    }

    fn keep_new_token(
        &self,
        peer: &PeerCertificate,
        scopes: Scopes,
        now: Timestamp,
    ) -> Option<AccessToken> {
        let token = AccessToken::mint(self.ports.entropy.as_ref());
        let grant = TokenGrant {
            sp: peer.sp.clone(),
            thumbprint: peer.thumbprint,
            scopes,
            consent: None,
            issued: now,
            expires: now.plus(self.token_lifetime),
        };
        self.tokens.insert(TokenHash::of(token.expose())?, grant);
        Some(token)
    }

    fn find_usable(
        &self,
        peer: &PeerCertificate,
        party: &Party,
        presented: &str,
        now: Timestamp,
    ) -> Option<Arc<TokenGrant>> {
        let grant = self.tokens.find(&peer.sp, &TokenHash::of(presented)?)?;
        // RFC 8705 3: bound to the certificate of THIS connection. A role taken back since the
        // token was issued takes the token with it.
        let usable = grant.thumbprint == peer.thumbprint
            && grant.is_live(now)
            && party.scopes().covers(grant.scopes);
        usable.then_some(grant)
    }

    fn describe(&self, grant: &TokenGrant) -> ActiveToken {
        ActiveToken {
            active: true,
            scope: grant.scopes.to_string(),
            client_id: grant.sp.to_string(),
            token_type: "Bearer",
            exp: grant.expires.millis() / 1000,
            iat: grant.issued.millis() / 1000,
            iss: self.issuer.as_str().into(),
            cnf: Confirmation {
                certificate_thumbprint: URL_SAFE_NO_PAD.encode(grant.thumbprint.0),
            },
        }
    }
}

impl Authenticator for AuthorizationServer {
    fn authenticate(
        &self,
        peer: &Arc<PeerCertificate>,
        bearer: &str,
        now: Timestamp,
    ) -> Result<Principal, AuthenticationFailure> {
        let directory = self.ports.directory.snapshot();
        let party = directory.admit(peer, now)?;
        let grant = self
            .find_usable(peer, party, bearer, now)
            .ok_or(AuthenticationFailure::InvalidToken)?;
        Ok(Principal {
            sp: peer.sp.clone(),
            proof: Proof::Certificate(Arc::clone(peer)),
            scopes: grant.scopes,
            consent: grant.consent,
        })
    }
}

/// The form may name the client, as RFC 8705 2 has it, and bring no other proof of it.
fn check_client(admitted: &Admitted<'_>, form: &Form) -> Result<(), Refusal> {
    if form
        .value("client_id")
        .is_some_and(|id| id != admitted.peer.sp.as_str())
    {
        return Err(Refusal::ClientMismatch);
    }
    // RFC 6749 2.3: not more than one authentication method in each request.
    if form
        .value("client_secret")
        .or(form.value("client_assertion"))
        .is_some()
    {
        return Err(Refusal::SecondAuthentication);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
