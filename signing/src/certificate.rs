//! `Certificate`: whom the one in a bundle names; a claim, not a proof.
//!
//! The proof is `TrustRoot::check`, which ends with a `CertificateError` or none.

use jiff::Timestamp;
use sigstore_verify::crypto::parse_certificate_info;
use sigstore_verify::types::DerCertificate;
use sigstore_verify::{
    CertificateError as ByCertificate, Error as Found, SubjectAltName, TransparencyLogError as ByLog,
};
use thiserror::Error;

use crate::display_safe::DisplaySafe;

/// What a certificate of a Sigstore authority says: whose it is, who vouched for
/// them, and for how long (some minutes, as the key behind it is thrown away).
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Certificate {
    pub(crate) subject: SubjectAltName,
    pub(crate) issuer: String,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Certificate {
    /// Reads X.509 DER; `None` when it is broken or names nobody or no issuer.
    pub(crate) fn read(der: &DerCertificate) -> Option<Self> {
        let info = parse_certificate_info(der).ok()?;
        let (subject, issuer) = (info.identity?, info.issuer?);
        Some(Self { subject, issuer, not_before: info.not_before, not_after: info.not_after })
    }

    /// Whom it names, escaped.
    pub(crate) fn claimed(&self) -> String {
        format!("{} ({})", DisplaySafe::new(self.subject.as_str()), DisplaySafe::new(&self.issuer))
    }

    /// Says what Sigstore's crate found wrong in the terms of this one.
    pub(crate) fn refused(&self, found: Found) -> CertificateError {
        let told = DisplaySafe::new(&found.to_string());
        match found {
            Found::Certificate(ByCertificate::Expired { .. } | ByCertificate::NotYetValid { .. }) => self.expired(),
            // The chain is checked first, and of what webpki says only its text is left.
            Found::Certificate(ByCertificate::ChainInvalid(text))
                if text.contains("CertExpired") || text.contains("CertNotValidYet") =>
            {
                self.expired()
            }
            Found::Certificate(ByCertificate::ChainInvalid(text)) if text.contains("RequiredEkuNotFound") => {
                CertificateError::OtherUse
            }
            Found::Certificate(ByCertificate::ChainInvalid(_) | ByCertificate::NoValidAuthority { .. }) => {
                CertificateError::UnknownAuthority(told)
            }
            Found::Certificate(ByCertificate::Sct(_)) => CertificateError::Unlisted(told),
            Found::TransparencyLog(ByLog::EntryMismatch(_) | ByLog::MalformedEntry(_)) => {
                CertificateError::OtherEntry(told)
            }
            // A time outside the certificate's is found by the chain before this, so it is a future one.
            Found::TransparencyLog(ByLog::IntegratedTime(_)) => CertificateError::Future,
            Found::TransparencyLog(_) | Found::Bundle(_) => CertificateError::LogEntry(told),
            Found::Timestamp(_) => CertificateError::Time(told),
            Found::SignatureInvalid(_) => CertificateError::Signature,
            Found::ArtifactMismatch(_) => CertificateError::OtherArtifact,
            _ => CertificateError::Other(told),
        }
    }

    fn expired(&self) -> CertificateError {
        CertificateError::Expired { from: self.not_before, until: self.not_after }
    }
}

/// Why a signature made with a certificate does not hold.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CertificateError {
    /// The log or the time stamp says another time than the certificate.
    #[error(
        "it was not made while its certificate was valid, from {from} until {until}\n\
         hint: its author has to sign the component again"
    )]
    Expired {
        /// The first moment of the certificate.
        from: Timestamp,
        /// The last moment of the certificate.
        until: Timestamp,
    },
    /// The certificate is for something else than signing code.
    #[error(
        "its certificate is not one to sign code with\n\
         hint: its author has to sign the component again, with a certificate of a Sigstore instance"
    )]
    OtherUse,
    /// No authority of the trust root made the certificate.
    #[error(
        "no authority of the trust root made its certificate: {0}\n\
         hint: if another Sigstore instance made it, run `cara trust root FILE` with that instance's `trusted_root.json`"
    )]
    UnknownAuthority(DisplaySafe),
    /// The certificate is in no certificate transparency log.
    #[error(
        "its certificate is in no certificate transparency log of the trust root: {0}\n\
         hint: run `cara trust root FILE` with its instance's newest `trusted_root.json`; if it stays so, do not use it"
    )]
    Unlisted(DisplaySafe),
    /// The log entry is missing, changed or forged.
    #[error(
        "its entry in the transparency log does not hold: {0}\n\
         hint: fetch the signature file again; it was changed, or another Sigstore instance made it"
    )]
    LogEntry(DisplaySafe),
    /// The log entry is about another signature.
    #[error(
        "its entry in the transparency log is about another signature: {0}\n\
         hint: fetch component and signature file again; one of them was changed"
    )]
    OtherEntry(DisplaySafe),
    /// The log entry says a time that is still to come.
    #[error(
        "its entry in the transparency log is from the future\n\
         hint: set this machine's clock; if it is right, do not use the component"
    )]
    Future,
    /// Nothing says when it was signed.
    #[error(
        "nothing in the trust root confirms when it was made: {0}\n\
         hint: its author has to sign the component again, with a time stamp"
    )]
    Time(DisplaySafe),
    /// The key in the certificate did not make the signature.
    #[error(
        "it was not made by the key in its certificate\n\
         hint: fetch component and signature file again; one of them was changed"
    )]
    Signature,
    /// What was signed, or what the log has, is about something else.
    #[error(
        "it, or its entry in the transparency log, is for another file\n\
         hint: put each component's own signature file beside it"
    )]
    OtherArtifact,
    /// Something a signature we read does not have.
    #[error("it is not of a kind cara reads: {0}\nhint: its author has to sign the component again")]
    Other(DisplaySafe),
}
