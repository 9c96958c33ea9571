import CLibcrypto
import Certificates
import NetAddress
import Testing

/// Certificates as libcrypto's own verification sees them.
@Suite struct CertificateTests {
    @Test func chainsVerify() throws {
        let (authority, other) = (try CertificateAuthority("one"), try CertificateAuthority("one"))
        let issued = try authority.issue(CertificateSubject("web", for: [.server]))
        #expect(verify(issued.certificatePEM, by: authority.certificatePEM) == X509_V_OK)
        #expect(verify(issued.certificatePEM, by: other.certificatePEM) != X509_V_OK)
        #expect(verify(authority.certificatePEM, by: authority.certificatePEM) == X509_V_OK)
        // What an authority has signed is none itself.
        let forged = try authority.issue(CertificateSubject("forged", for: [.client]))
        #expect(verify(issued.certificatePEM, by: forged.certificatePEM) != X509_V_OK)
    }

    @Test func purposesAreKept() throws {
        let authority = try CertificateAuthority("one")
        for (purposes, server, client) in [
            ([CertificateSubject.Purpose.server], true, false), ([.client], false, true),
            ([.server, .client], true, true),
        ] {
            let issued = try authority.issue(CertificateSubject("web", for: purposes))
            let certificate = try #require(Parsed(issued.certificatePEM))
            #expect((X509_check_purpose(certificate.pointer, X509_PURPOSE_SSL_SERVER, 0) == 1) == server)
            #expect((X509_check_purpose(certificate.pointer, X509_PURPOSE_SSL_CLIENT, 0) == 1) == client)
        }
    }

    @Test func namesAndAddresses() throws {
        let authority = try CertificateAuthority("one")
        let issued = try authority.issue(
            CertificateSubject(
                "api", organizations: ["first", "second"], for: [.server], dnsNames: ["kubernetes.default.svc", "api"],
                addresses: [IPv4Address(10, 0, 0, 10), .loopback]))
        let certificate = try #require(Parsed(issued.certificatePEM))
        for name in ["kubernetes.default.svc", "api"] {
            #expect(X509_check_host(certificate.pointer, name, 0, 0, nil) == 1, "\(name)")
        }
        #expect(X509_check_host(certificate.pointer, "kubernetes.default", 0, 0, nil) == 0)
        for address in ["10.0.0.10", "127.0.0.1"] {
            #expect(X509_check_ip_asc(certificate.pointer, address, 0) == 1, "\(address)")
        }
        #expect(X509_check_ip_asc(certificate.pointer, "10.0.0.11", 0) == 0)
        #expect(certificate.subject == "/O=first/O=second/CN=api")
    }

    @Test func keysFitTheirCertificates() throws {
        let authority = try CertificateAuthority("one")
        let (first, second) = (
            try authority.issue(CertificateSubject("a", for: [.client])),
            try authority.issue(CertificateSubject("a", for: [.client]))
        )
        let certificate = try #require(Parsed(first.certificatePEM))
        for (pem, fits) in [(first.keyPEM, true), (second.keyPEM, false)] {
            let key = try #require(pem.withMemory { PEM_read_bio_PrivateKey($0, nil, nil, nil) })
            defer { EVP_PKEY_free(key) }
            #expect((X509_check_private_key(certificate.pointer, key) == 1) == fits)
        }
        #expect(first.keyPEM.hasPrefix("-----BEGIN PRIVATE KEY-----\n"))
        #expect(try KeyPair().publicPEM().hasPrefix("-----BEGIN PUBLIC KEY-----\n"))
    }

    @Test func serialNumbersDiffer() throws {
        let authority = try CertificateAuthority("one")
        let numbers = try (0..<50).map { _ in
            let certificate = try #require(
                Parsed(try authority.issue(CertificateSubject("a", for: [.client])).certificatePEM))
            var number: UInt64 = 0
            #expect(ASN1_INTEGER_get_uint64(&number, X509_get0_serialNumber(certificate.pointer)) == 1)
            return number
        }
        #expect(Set(numbers).count == 50)
    }

    /// A name could otherwise smuggle further names into the certificate.
    @Test(arguments: ["a,DNS:b", "", "a b", "a:b", "ä", String(repeating: "a", count: 254), "a\nb", "a;b"])
    func namesThatAreNoneAreRefused(_ name: String) throws {
        let authority = try CertificateAuthority("one")
        #expect(throws: CertificateError.self) {
            try authority.issue(CertificateSubject("web", for: [.server], dnsNames: [name]))
        }
    }

    /// A common name has at most 64 characters (RFC 5280, ub-common-name).
    @Test func aLongNameIsAnError() throws {
        let authority = try CertificateAuthority("one")
        _ = try authority.issue(CertificateSubject(String(repeating: "a", count: 64), for: [.client]))
        #expect(throws: CertificateError.self) {
            try authority.issue(CertificateSubject(String(repeating: "a", count: 65), for: [.client]))
        }
    }
}

/// A certificate that was read from PEM.
private final class Parsed {
    let pointer: OpaquePointer

    init?(_ pem: String) {
        guard let pointer = pem.withMemory({ PEM_read_bio_X509($0, nil, nil, nil) }) else { return nil }
        self.pointer = pointer
    }

    deinit { X509_free(pointer) }

    /// `/O=first/CN=name`
    var subject: String {
        var text = [CChar](repeating: 0, count: 500)
        X509_NAME_oneline(X509_get_subject_name(pointer), &text, Int32(text.count))
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
    }
}

extension String {
    fileprivate func withMemory<Value>(_ body: (OpaquePointer) -> Value?) -> Value? {
        let bytes = Array(utf8)
        guard let memory = BIO_new_mem_buf(bytes, Int32(bytes.count)) else { return nil }
        defer { BIO_free(memory) }
        return body(memory)
    }
}

/// The error of verifying a certificate by an authority: `X509_V_OK` for none.
private func verify(_ certificate: String, by authority: String) -> Int32 {
    guard let leaf = Parsed(certificate), let root = Parsed(authority), let store = X509_STORE_new(),
        let context = X509_STORE_CTX_new()
    else { return -1 }
    defer {
        X509_STORE_CTX_free(context)
        X509_STORE_free(store)
    }
    X509_STORE_add_cert(store, root.pointer)
    X509_STORE_CTX_init(context, store, leaf.pointer, nil)
    X509_verify_cert(context)
    return X509_STORE_CTX_get_error(context)
}
