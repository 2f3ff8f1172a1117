//! RFC 6749 4.4 on oxide-auth's engine: what it is asked, and what its answers mean.
//!
//! The engine's flow (`code_grant::client_credentials`) runs once a request over an endpoint made
//! for that request. Where it departs from the RFCs we correct it here: it knows passwords only,
//! so it is handed a pair that this connection's check alone accepts, without `client_id`; it
//! reports a refused scope as "ignore"; it reads the clock for the expiry, so ours is set by the
//! issuer below.

use std::borrow::Cow;

use ics_core::party::Party;
use ics_core::principal::PeerCertificate;
use ics_core::reference_point::Scopes;
use oxide_auth::code_grant::client_credentials::{
    Endpoint, Error, Extension, Request, client_credentials,
};
use oxide_auth::code_grant::error::AccessTokenErrorType;
use oxide_auth::primitives::grant::Grant;
use oxide_auth::primitives::issuer::{IssuedToken, Issuer, RefreshedToken, TokenType};
use oxide_auth::primitives::registrar::{
    BoundClient, ClientUrl, PreGrant, RegisteredUrl, Registrar, RegistrarError,
};
use oxide_auth::primitives::scope::Scope;

use crate::error::Refusal;
use crate::token::AccessToken;
use crate::wire::Form;

/// The client of one connection: its certificate and what the operator made of it.
#[derive(Clone, Copy)]
pub(crate) struct Client<'a> {
    pub(crate) peer: &'a PeerCertificate,
    pub(crate) party: &'a Party,
    /// The engine wants a redirection URI of every client; no flow of ours uses it.
    pub(crate) no_redirect: &'a RegisteredUrl,
}

/// Runs the client credentials grant. `keep` mints and keeps a token for the scopes it is given,
/// and is called at most once.
pub(crate) fn grant_client_credentials<'a>(
    client: Client<'a>,
    form: &'a Form,
    keep: &'a dyn Fn(Scopes) -> Option<AccessToken>,
) -> Result<(AccessToken, Scopes), Refusal> {
    let request = CertRequest {
        client,
        form,
        scope: parse_scope(form)?,
    };
    let mut endpoint = CertEndpoint {
        client,
        keep,
        extension: (),
        issued: None,
    };
    let pending = client_credentials(&mut endpoint, &request).map_err(refusal)?;
    // The owner is the client itself; there is nobody else to ask (RFC 6749 4.4).
    pending
        .issue(&mut endpoint, client.peer.sp.to_string(), false)
        .map_err(refusal)?;
    endpoint.issued.ok_or(Refusal::Engine)
}

/// The requested scope. RFC 6749 3.3: tokens separated by one space each.
fn parse_scope(form: &Form) -> Result<Option<Scopes>, Refusal> {
    let Some(text) = form.value("scope") else {
        return Ok(None);
    };
    if text.split(' ').any(str::is_empty) {
        return Err(Refusal::Scope);
    }
    Scopes::parse(text).map(Some).ok_or(Refusal::Scope)
}

fn refusal(mut error: Error) -> Refusal {
    match error.description().map(|description| description.kind()) {
        Some(AccessTokenErrorType::UnsupportedGrantType) => Refusal::GrantType,
        Some(AccessTokenErrorType::InvalidClient) => Refusal::ClientMismatch,
        // Everything else that can be invalid was looked at before the engine was asked.
        Some(_) => Refusal::GrantTypeMissing,
        None => match error {
            // Only `negotiate` below makes the engine ignore a request.
            Error::Ignore => Refusal::Scope,
            _ => Refusal::Engine,
        },
    }
}

/// The request as the engine sees it.
struct CertRequest<'a> {
    client: Client<'a>,
    form: &'a Form,
    scope: Option<Scopes>,
}

impl Request for CertRequest<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        let peer = self.client.peer;
        Some((peer.sp.as_str().into(), Cow::Borrowed(&peer.thumbprint.0)))
    }

    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope.map(|scopes| scopes.to_string().into())
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        self.form.value("grant_type").map(Cow::Borrowed)
    }

    fn extension(&self, _key: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// The endpoint of one request.
struct CertEndpoint<'a> {
    client: Client<'a>,
    keep: &'a dyn Fn(Scopes) -> Option<AccessToken>,
    extension: (),
    issued: Option<(AccessToken, Scopes)>,
}

impl Endpoint for CertEndpoint<'_> {
    fn registrar(&self) -> &dyn Registrar {
        self
    }

    fn issuer(&mut self) -> &mut dyn Issuer {
        self
    }

    fn extension(&mut self) -> &mut dyn Extension {
        &mut self.extension
    }
}

impl Registrar for CertEndpoint<'_> {
    fn bound_redirect<'b>(&self, bound: ClientUrl<'b>) -> Result<BoundClient<'b>, RegistrarError> {
        let redirect_uri = Cow::Owned(self.client.no_redirect.clone());
        Ok(BoundClient {
            client_id: bound.client_id,
            redirect_uri,
        })
    }

    fn negotiate(
        &self,
        client: BoundClient<'_>,
        scope: Option<Scope>,
    ) -> Result<PreGrant, RegistrarError> {
        let allowed = self.client.party.scopes();
        let asked = scope.map_or(Some(allowed), |scope| Scopes::parse(&scope.to_string()));
        let granted = asked
            .filter(|asked| !asked.is_empty() && allowed.covers(*asked))
            .and_then(|asked| asked.to_string().parse().ok())
            .ok_or(RegistrarError::Unspecified)?;
        Ok(PreGrant {
            client_id: client.client_id.into_owned(),
            redirect_uri: client.redirect_uri.into_owned(),
            scope: granted,
        })
    }

    /// RFC 8705 2.1: the TLS layer proved the certificate; this holds the engine to that client.
    fn check(&self, client_id: &str, passphrase: Option<&[u8]>) -> Result<(), RegistrarError> {
        let peer = self.client.peer;
        let same =
            client_id == peer.sp.as_str() && passphrase == Some(peer.thumbprint.0.as_slice());
        same.then_some(()).ok_or(RegistrarError::Unspecified)
    }
}

impl Issuer for CertEndpoint<'_> {
    fn issue(&mut self, grant: Grant) -> Result<IssuedToken, ()> {
        let scopes = Scopes::parse(&grant.scope.to_string()).ok_or(())?;
        let token = (self.keep)(scopes).ok_or(())?;
        // The engine gets the token's name only to fill an answer that we do not send.
        let issued = IssuedToken {
            token: String::new(),
            refresh: None,
            until: grant.until,
            token_type: TokenType::Bearer,
        };
        self.issued = Some((token, scopes));
        Ok(issued)
    }

    fn refresh(&mut self, _refresh: &str, _grant: Grant) -> Result<RefreshedToken, ()> {
        Err(())
    }

    fn recover_token<'t>(&'t self, _token: &'t str) -> Result<Option<Grant>, ()> {
        Ok(None)
    }

    fn recover_refresh<'t>(&'t self, _token: &'t str) -> Result<Option<Grant>, ()> {
        Ok(None)
    }
}
