/// An authority, another one, and certificates of theirs for a hundred years. They protect nothing: `openssl ecparam`,
/// `req` and `x509` made them for these tests.
enum Fixture {
    static let authority = """
        -----BEGIN CERTIFICATE-----
        MIIBcjCCARmgAwIBAgIUbdhyvQi+VVST/wbiQoI7Poi3gekwCgYIKoZIzj0EAwIw
        DjEMMAoGA1UEAwwDbGFiMCAXDTI2MTEyOTE4NTEzMVoYDzIxMjYxMTA1MTg1MTMx
        WjAOMQwwCgYDVQQDDANsYWIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS50Das
        skkj8U5LMQP5TGiJBxpk8buHMAOTnVAG7QuvPJgAgzLIEjI8ecJJtUceCNJwm8bw
        R0f8hd1SJEuyHYa4o1MwUTAdBgNVHQ4EFgQUA36HTupWMy27zEYcxL4BVOiJ3gww
        HwYDVR0jBBgwFoAUA36HTupWMy27zEYcxL4BVOiJ3gwwDwYDVR0TAQH/BAUwAwEB
        /zAKBggqhkjOPQQDAgNHADBEAiBexXcrFReGcmfywMo/kWaan8qvLB1ay2Zvn9ht
        pGQHqgIgBiDTdsFA5QCReUDE0/9hiAN1i1LDv6OqqsV7xqNhmBQ=
        -----END CERTIFICATE-----
        """
    static let otherAuthority = """
        -----BEGIN CERTIFICATE-----
        MIIBgzCCASmgAwIBAgIUTRvDLg1zTUl8y2Kqm+3EtXoI3mUwCgYIKoZIzj0EAwIw
        FjEUMBIGA1UEAwwLYW5vdGhlciBsYWIwIBcNMjYxMTI5MTg1MTMxWhgPMjEyNjEx
        MDUxODUxMzFaMBYxFDASBgNVBAMMC2Fub3RoZXIgbGFiMFkwEwYHKoZIzj0CAQYI
        KoZIzj0DAQcDQgAEGX1t8UT9ZTrvyfjvvkJ/FuCNA+j/UUSdD01c0d0++fuM0tL2
        QvMfe3L/1mtH7aDsdNZgDY89i+jdea4QxVq7oqNTMFEwHQYDVR0OBBYEFMW8budl
        xF2UZSeaL6hr7Pxos6GOMB8GA1UdIwQYMBaAFMW8budlxF2UZSeaL6hr7Pxos6GO
        MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAOiSduJ/KeubNgE4
        4355HbEDwRdx0TGoRShSyIt66nFVAiBro9r0tV/A+mbpLcNzSCIywNPIX2cHy7vQ
        QIXq8ms0ew==
        -----END CERTIFICATE-----
        """
    static let server = """
        -----BEGIN CERTIFICATE-----
        MIIBkzCCATmgAwIBAgIUfxEIHcf/KNWdIh5E/J6ofKIm/0UwCgYIKoZIzj0EAwIw
        DjEMMAoGA1UEAwwDbGFiMCAXDTI2MTEyOTE4NTEzMVoYDzIxMjYxMTA1MTg1MTMx
        WjARMQ8wDQYDVQQDDAZzZXJ2ZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATm
        bk910faLl/QWGZFfogy/I4IR8GyCXBqWWriCMp9f5Q7v5ewjcMOkGyEioan6qKTv
        QImF7Opxr3Z1oPGj52hLo3AwbjAXBgNVHREEEDAOhwR/AAABggZzZXJ2ZXIwEwYD
        VR0lBAwwCgYIKwYBBQUHAwEwHQYDVR0OBBYEFLkIRJmCl4m/UsOHXoBKgJAMo2g+
        MB8GA1UdIwQYMBaAFAN+h07qVjMtu8xGHMS+AVToid4MMAoGCCqGSM49BAMCA0gA
        MEUCIQCGHG2LpA41D3MLoOmnTYqtkxJzqHejZtIexFdZGV8ZpwIgLGD9YLy8xuBE
        HLjtB41VBj3TaEiu0SoVEXWUt/9GlM4=
        -----END CERTIFICATE-----
        """
    static let serverKey = """
        -----BEGIN EC PRIVATE KEY-----
        MHcCAQEEIPKi3WJrycVkzdyj5TIOsK89o2sNwMv41HwiNkAnVbJEoAoGCCqGSM49
        AwEHoUQDQgAE5m5PddH2i5f0FhmRX6IMvyOCEfBsglwallq4gjKfX+UO7+XsI3DD
        pBshIqGp+qik70CJhezqca92daDxo+doSw==
        -----END EC PRIVATE KEY-----
        """
    static let client = """
        -----BEGIN CERTIFICATE-----
        MIIBrjCCAVOgAwIBAgIUfxEIHcf/KNWdIh5E/J6ofKIm/0YwCgYIKoZIzj0EAwIw
        DjEMMAoGA1UEAwwDbGFiMCAXDTI2MTEyOTE4NTEzMVoYDzIxMjYxMTA1MTg1MTMx
        WjBEMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxDzANBgNVBAoMBm90aGVyczEaMBgG
        A1UEAwwRc3lzdGVtOm5vZGU6bm9kZTEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
        AASjeVSwWSdPm2mdMK4NNKn2Xq0zfghI+QnDvkCJTNff3lY0KrmLRwO3afRefaNb
        PGEW/LzfRSkeTtN9LJC1iyalo1cwVTATBgNVHSUEDDAKBggrBgEFBQcDAjAdBgNV
        HQ4EFgQUP5UqhumtcjSQ/wQxEyhXn0duSs0wHwYDVR0jBBgwFoAUA36HTupWMy27
        zEYcxL4BVOiJ3gwwCgYIKoZIzj0EAwIDSQAwRgIhALsVfPAvggIDZlkycqJtXbiA
        60F5pKrt4jwWlg2flr7AAiEAwAZq0obvKuz+OPfbJFa43I3aGLnb1uqkTA6fvKDT
        6Nc=
        -----END CERTIFICATE-----
        """
    static let clientKey = """
        -----BEGIN EC PRIVATE KEY-----
        MHcCAQEEIFloWoPkOVbYE5JJ9kOy8poIGDhUMuCblpBuYqTDskzcoAoGCCqGSM49
        AwEHoUQDQgAEo3lUsFknT5tpnTCuDTSp9l6tM34ISPkJw75AiUzX395WNCq5i0cD
        t2n0Xn2jWzxhFvy830UpHk7TfSyQtYsmpQ==
        -----END EC PRIVATE KEY-----
        """
    static let stranger = """
        -----BEGIN CERTIFICATE-----
        MIIBgzCCASqgAwIBAgIUMyhQb2PspqxME5/Iobu8xcO6M3owCgYIKoZIzj0EAwIw
        FjEUMBIGA1UEAwwLYW5vdGhlciBsYWIwIBcNMjYxMTI5MTg1MTMxWhgPMjEyNjEx
        MDUxODUxMzFaMBMxETAPBgNVBAMMCHN0cmFuZ2VyMFkwEwYHKoZIzj0CAQYIKoZI
        zj0DAQcDQgAEUSJwI97JHuK+RPK3UUwB6Fxf0dNkC5HuFXvJWSFbkCZytMxoi4k8
        EVhGSWniVaBU7ZoZh6UnFN2lOECRTpz8/6NXMFUwEwYDVR0lBAwwCgYIKwYBBQUH
        AwIwHQYDVR0OBBYEFAXMnZzbGC0FcM0Wm55LZsnVkgZfMB8GA1UdIwQYMBaAFMW8
        budlxF2UZSeaL6hr7Pxos6GOMAoGCCqGSM49BAMCA0cAMEQCIHWcpStPw9438zHI
        +EAxGZDSd9ArfHV9J/VJpRMvVpNkAiAO1M+WBP3SYvRNV3BCiXYu6XKU6fen+bur
        TDidItEhXg==
        -----END CERTIFICATE-----
        """
    static let strangerKey = """
        -----BEGIN EC PRIVATE KEY-----
        MHcCAQEEIEjmCeWLzrXL6OQLru7F9Lh2Vz4hFMDLLF4VELWcD1ifoAoGCCqGSM49
        AwEHoUQDQgAEUSJwI97JHuK+RPK3UUwB6Fxf0dNkC5HuFXvJWSFbkCZytMxoi4k8
        EVhGSWniVaBU7ZoZh6UnFN2lOECRTpz8/w==
        -----END EC PRIVATE KEY-----
        """
}
