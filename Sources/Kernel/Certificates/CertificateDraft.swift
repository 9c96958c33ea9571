import CLibcrypto

/// A certificate that is not signed yet.
final class CertificateDraft {
    private var owned: OpaquePointer?
    let certificate: OpaquePointer

    /// Sets version, a random serial number, validity, subject and public key; the issuer is the subject until
    /// `setIssuer` says otherwise.
    init(_ subject: CertificateSubject, key: KeyPair, days: Int) throws(CertificateError) {
        let certificate = try made("X509_new") { X509_new() }
        self.certificate = certificate
        owned = certificate
        // 2 is version 3.
        try succeed("X509_set_version") { X509_set_version(certificate, 2) }
        try setSerialNumber()
        let day = 86_400
        _ = try made("X509_gmtime_adj") { X509_gmtime_adj(X509_getm_notBefore(certificate), -day) }
        _ = try made("X509_gmtime_adj") { X509_gmtime_adj(X509_getm_notAfter(certificate), days * day) }
        try succeed("X509_set_pubkey") { X509_set_pubkey(certificate, key.key) }
        let name = try made("X509_get_subject_name") { X509_get_subject_name(certificate) }
        for organization in subject.organizations { try add("O", organization, to: name) }
        try add("CN", subject.commonName, to: name)
        try succeed("X509_set_issuer_name") { X509_set_issuer_name(certificate, name) }
    }

    deinit { if let owned { X509_free(owned) } }

    /// Gives the certificate away. From now on the caller must free it.
    func release() -> OpaquePointer {
        owned = nil
        return certificate
    }

    func setIssuer(_ issuer: OpaquePointer) throws(CertificateError) {
        try succeed("X509_set_issuer_name") { X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) }
    }

    /// Adds an extension by the text that openssl's configuration files have for it (x509v3_config(5)).
    func add(_ number: Int32, _ value: String, issuer: OpaquePointer? = nil) throws(CertificateError) {
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer ?? certificate, certificate, nil, nil, 0)
        let made = try made("X509V3_EXT_conf_nid \(number)") { X509V3_EXT_conf_nid(nil, &context, number, value) }
        defer { X509_EXTENSION_free(made) }
        try succeed("X509_add_ext") { X509_add_ext(certificate, made, -1) }
    }

    func sign(with key: KeyPair) throws(CertificateError) {
        try succeed("X509_sign") { X509_sign(certificate, key.key, EVP_sha256()) }
    }

    func pem() throws(CertificateError) -> String {
        try Certificates.pem("PEM_write_bio_X509") { PEM_write_bio_X509($0, certificate) }
    }

    /// 63 random bits, as many as any reader takes.
    private func setSerialNumber() throws(CertificateError) {
        var octets = [UInt8](repeating: 0, count: 8)
        try succeed("RAND_bytes") { RAND_bytes(&octets, Int32(octets.count)) }
        let number = octets.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } >> 1
        try succeed("ASN1_INTEGER_set_uint64") {
            ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), max(number, 1))
        }
    }

    private func add(_ field: String, _ text: String, to name: OpaquePointer) throws(CertificateError) {
        let octets = Array(text.utf8)
        try succeed("X509_NAME_add_entry_by_txt \(field)") {
            X509_NAME_add_entry_by_txt(name, field, MBSTRING_FLAG, octets, Int32(octets.count), -1, 0)
        }
    }
}
