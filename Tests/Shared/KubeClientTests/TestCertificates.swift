/// Keys and certificates for tests of TLS, made once with openssl(1) and of no use elsewhere. Those that are valid are
/// valid until the end of 2125.
enum TestCertificates {
    struct Pair: Sendable {
        let certificate: String
        let key: String
    }

    /// The authority that has signed all certificates below.
    static let authority = """
        -----BEGIN CERTIFICATE-----
        MIIBVTCB/KADAgECAgIQADAKBggqhkjOPQQDAjARMQ8wDQYDVQQDDAZsYWItY2Ew
        IBcNMjAwMTAxMDAwMDAwWhgPMjEyNjAxMDEwMDAwMDBaMBExDzANBgNVBAMMBmxh
        Yi1jYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNHiw2x5Z32iWx36IpdkTrAQ
        sscZNSYrGJq8YSEiQmlwZZeTLgkXtCiOCdImvBbygBsaJfhSvIsDysWGlS2tNuij
        QjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMB0GA1UdDgQWBBR7
        1CNB+RfVGyaSRhndwA9v+SKB/DAKBggqhkjOPQQDAgNIADBFAiBx740KK0iq0fDz
        E5MBGyFGTF+lirswcKIFrMNiWRlNIAIhAO+4koa1TkmnBw9i10AmAaED7Rq2Fly9
        V8ScA9dN0mxm
        -----END CERTIFICATE-----
        """
    /// An authority that has signed none.
    static let otherAuthority = """
        -----BEGIN CERTIFICATE-----
        MIIBWTCCAQCgAwIBAgICEAEwCgYIKoZIzj0EAwIwEzERMA8GA1UEAwwIb3RoZXIt
        Y2EwIBcNMjAwMTAxMDAwMDAwWhgPMjEyNjAxMDEwMDAwMDBaMBMxETAPBgNVBAMM
        CG90aGVyLWNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAER6DY7JEaQohXr+ST
        8lEnQJYpg6SuLEMLf0/SV4v5VRVZvoJ+4HIwS2K7ZxjUSi7vNnIFeIiiSNf7oHT0
        L+CrzaNCMEAwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwHQYDVR0O
        BBYEFFYBtJg1bvh0xZLOw9k4jPxJ5PeSMAoGCCqGSM49BAMCA0cAMEQCIFIEI3WT
        xVJTnpsNfc9xDVy7GVguWEjvRZY+m0Lq1MqvAiAKB+RXdxXXsX0ZEeJ7L8hWZGoy
        FthLKKjr83aEyDhg9g==
        -----END CERTIFICATE-----
        """
    /// For a server at 127.0.0.1.
    static let server = Pair(
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBhDCCASqgAwIBAgICEAIwCgYIKoZIzj0EAwIwETEPMA0GA1UEAwwGbGFiLWNh
            MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjYwMTAxMDAwMDAwWjAZMRcwFQYDVQQDDA5r
            dWJlLWFwaXNlcnZlcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFN1GCSj85Tg
            aKk+yRqgS7dELMw52aG0o4OxFnvlN7a9dyAnHhnH7bgWflikgUoQMJjkTpDD3Oat
            XDPw1ZJKJXejaDBmMA8GA1UdEQQIMAaHBH8AAAEwEwYDVR0lBAwwCgYIKwYBBQUH
            AwEwHQYDVR0OBBYEFD/2FasJcDAmXpwWGg0DBjeGEHHMMB8GA1UdIwQYMBaAFHvU
            I0H5F9UbJpJGGd3AD2/5IoH8MAoGCCqGSM49BAMCA0gAMEUCIFe6SQ5T/StD8hDJ
            SMTItOVMP0vJcg/FRiipyo73tTJeAiEA6yetTzKQQ5PU6Z0rB42tI/89l08ww9H6
            JdZxm2stqF4=
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgQ27n9eS8SITrmflx
            zNc6+D/gvPxHsxB/A3cV5LltiIKhRANCAARTdRgko/OU4GipPskaoEu3RCzMOdmh
            tKODsRZ75Te2vXcgJx4Zx+24Fn5YpIFKEDCY5E6Qw9zmrVwz8NWSSiV3
            -----END PRIVATE KEY-----
            """)
    /// The same, valid in the year 2020.
    static let expired = Pair(
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBgjCCASigAwIBAgICEAMwCgYIKoZIzj0EAwIwETEPMA0GA1UEAwwGbGFiLWNh
            MB4XDTIwMDEwMTAwMDAwMFoXDTIxMDEwMTAwMDAwMFowGTEXMBUGA1UEAwwOa3Vi
            ZS1hcGlzZXJ2ZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARgdoi/Kuo2GeAm
            OPYc/WoT/YRg4TYtEvSVCNoSaqAyputo/Z77Cvpea81z9f120R5SyYBRpPgQMVMr
            OnBQRzLEo2gwZjAPBgNVHREECDAGhwR/AAABMBMGA1UdJQQMMAoGCCsGAQUFBwMB
            MB0GA1UdDgQWBBTt1yVhtzP4O59V4Ldzpbq98eBR2zAfBgNVHSMEGDAWgBR71CNB
            +RfVGyaSRhndwA9v+SKB/DAKBggqhkjOPQQDAgNIADBFAiEAqMrvuGIYDmLO/s8n
            PgJlm4wTmsTPIbYOCcfmMEL3S/UCIEoT8djcuL6PsDioTRRIS8AblMPcqpk+NrdC
            wuymBFB5
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgHE/7MN69fSz0nHKU
            dn41yQft5QFmU273oOBoAt9feHqhRANCAARgdoi/Kuo2GeAmOPYc/WoT/YRg4TYt
            EvSVCNoSaqAyputo/Z77Cvpea81z9f120R5SyYBRpPgQMVMrOnBQRzLE
            -----END PRIVATE KEY-----
            """)
    /// For a server at 10.0.0.1; its common name is 127.0.0.1.
    static let elsewhere = Pair(
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBizCCATGgAwIBAgICEAQwCgYIKoZIzj0EAwIwETEPMA0GA1UEAwwGbGFiLWNh
            MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjYwMTAxMDAwMDAwWjAUMRIwEAYDVQQDDAkx
            MjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASMnFxgU3A8oSEFLOtQ
            Z3I4mMPEYhuA1Khc53i/7frHjEM7Jy20eg8dOderIuRdYaFnW4Atlh+IZUqaHlZp
            0/Vuo3QwcjAbBgNVHREEFDAShwQKAAABggprdWJlcm5ldGVzMBMGA1UdJQQMMAoG
            CCsGAQUFBwMBMB0GA1UdDgQWBBTD/U+sX4gQ5D6SE+1R2VibjrEArjAfBgNVHSME
            GDAWgBR71CNB+RfVGyaSRhndwA9v+SKB/DAKBggqhkjOPQQDAgNIADBFAiEAhDLa
            J/aGtxd4LEPT+UeYUeA/ZXstQDJb2qu1kC1viAACIFzEL5mrshkB2bqU00KGuAPG
            wX1c/qDgoGcRwwdXBDoh
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2yBe/TjTqZbb3gEH
            O79B2jJVV5liNp+1mIsHLqqiKymhRANCAASMnFxgU3A8oSEFLOtQZ3I4mMPEYhuA
            1Khc53i/7frHjEM7Jy20eg8dOderIuRdYaFnW4Atlh+IZUqaHlZp0/Vu
            -----END PRIVATE KEY-----
            """)
    /// For the client `system:node:a`.
    static let client = Pair(
        certificate: """
            -----BEGIN CERTIFICATE-----
            MIIBiDCCAS+gAwIBAgICEAUwCgYIKoZIzj0EAwIwETEPMA0GA1UEAwwGbGFiLWNh
            MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjYwMTAxMDAwMDAwWjAvMRYwFAYDVQQDDA1z
            eXN0ZW06bm9kZTphMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMwWTATBgcqhkjOPQIB
            BggqhkjOPQMBBwNCAAQD3+X8+OJc6eBNA4+4dVsIB+8kx1hmqUGjvve3/xl78pCi
            JDl0UoFeEfgHTDzZOxJ18Id/ilwWYUX0FzYB6QN4o1cwVTATBgNVHSUEDDAKBggr
            BgEFBQcDAjAdBgNVHQ4EFgQU84sGaoGNz+9Y3qzPC3snS03dz9UwHwYDVR0jBBgw
            FoAUe9QjQfkX1RsmkkYZ3cAPb/kigfwwCgYIKoZIzj0EAwIDRwAwRAIga++HKibe
            KMcnKjrfgkzz7cxO8alNtgKO16hnPAYPXckCICVoX+HERf6vwSGfVks9y/VzLKm8
            gzGrqGrjb4yc3MvA
            -----END CERTIFICATE-----
            """,
        key: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgy39rTxBnGazNK/UB
            X9AmOfIC49RbWJEewsyVG4C2VCqhRANCAAQD3+X8+OJc6eBNA4+4dVsIB+8kx1hm
            qUGjvve3/xl78pCiJDl0UoFeEfgHTDzZOxJ18Id/ilwWYUX0FzYB6QN4
            -----END PRIVATE KEY-----
            """)
}
