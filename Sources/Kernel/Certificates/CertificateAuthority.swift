import CLibcrypto
public import NetAddress

/// What a certificate is to say of its owner.
public struct CertificateSubject: Sendable, Hashable {
    /// What the owner may use it for (extended key usage, RFC 5280, 4.2.1.12).
    public enum Purpose: String, Sendable, Hashable, CaseIterable {
        case server = "serverAuth"
        case client = "clientAuth"
    }

    /// Its common name: to Kubernetes, the user's name.
    public var commonName: String
    /// Its organizations: to Kubernetes, the user's groups.
    public var organizations: [String]
    public var purposes: [Purpose]
    /// The names and addresses where a server is found.
    public var dnsNames: [String]
    public var addresses: [IPv4Address]

    public init(
        _ commonName: String, organizations: [String] = [], for purposes: [Purpose], dnsNames: [String] = [],
        addresses: [IPv4Address] = []
    ) {
        self.commonName = commonName
        self.organizations = organizations
        self.purposes = purposes
        self.dnsNames = dnsNames
        self.addresses = addresses
    }
}

/// A certificate and its key, both in PEM.
public struct IssuedCertificate: Sendable, Hashable {
    /// One certificate, which the authority itself has signed.
    public let certificatePEM: String
    /// PKCS #8. A secret.
    public let keyPEM: String
}

/// An authority of its own that signs certificates (X.509, RFC 5280) with ECDSA and SHA-256.
///
/// Certificates are valid from a day before now, so that a clock that is a little behind accepts them, for `days` from
/// now.
///
/// `@unchecked Sendable`: certificate and key do not change once they are made.
public final class CertificateAuthority: @unchecked Sendable {
    private let keyPair: KeyPair
    private let certificate: OpaquePointer
    private let days: Int
    /// The authority's own certificate.
    public let certificatePEM: String

    /// Makes a new key and a certificate that it has signed itself.
    public init(_ commonName: String, days: Int = 365) throws(CertificateError) {
        let keyPair = try KeyPair()
        let draft = try CertificateDraft(CertificateSubject(commonName, for: []), key: keyPair, days: days)
        try draft.add(NID_basic_constraints, "critical,CA:TRUE")
        try draft.add(NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign")
        try draft.add(NID_subject_key_identifier, "hash")
        try draft.sign(with: keyPair)
        self.keyPair = keyPair
        self.days = days
        certificatePEM = try draft.pem()
        certificate = draft.release()
    }

    deinit { X509_free(certificate) }

    /// The authority's private key, for a program that signs in its name. A secret.
    public func keyPEM() throws(CertificateError) -> String { try keyPair.privatePEM() }

    /// Makes a key, and signs a certificate for it.
    public func issue(_ subject: CertificateSubject) throws(CertificateError) -> IssuedCertificate {
        let owner = try KeyPair()
        let draft = try CertificateDraft(subject, key: owner, days: days)
        try draft.setIssuer(certificate)
        try draft.add(NID_basic_constraints, "critical,CA:FALSE")
        try draft.add(NID_key_usage, "critical,digitalSignature,keyEncipherment")
        if !subject.purposes.isEmpty {
            try draft.add(NID_ext_key_usage, subject.purposes.map(\.rawValue).joined(separator: ","))
        }
        try draft.add(NID_authority_key_identifier, "keyid", issuer: certificate)
        let names = try subject.dnsNames.map { name throws(CertificateError) in "DNS:\(try plainName(name))" }
        let alternatives = names + subject.addresses.map { "IP:\($0)" }
        if !alternatives.isEmpty { try draft.add(NID_subject_alt_name, alternatives.joined(separator: ",")) }
        try draft.sign(with: keyPair)
        return IssuedCertificate(certificatePEM: try draft.pem(), keyPEM: try owner.privatePEM())
    }

    /// The name, if it consists of what DNS names consist of: libcrypto takes alternative names as a list in one text.
    private func plainName(_ name: String) throws(CertificateError) -> String {
        let isPlain = name.utf8.allSatisfy { octet in
            switch octet {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "*"):
                true
            default: false
            }
        }
        guard isPlain, !name.isEmpty, name.utf8.count <= 253 else {
            throw CertificateError("a certificate cannot be made for the DNS name “\(name.prefix(80))”")
        }
        return name
    }
}
