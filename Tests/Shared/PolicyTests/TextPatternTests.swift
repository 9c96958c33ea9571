import Testing

@testable import Policy

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct TextPatternTests {
    @Test(arguments: [
        ("GET", "GET", true), ("GET", "GETS", false), ("GET", "get", false), ("", "", true), ("", "a", false),
        ("/", "/", true), ("/", "/a", false), ("/public/.*", "/public/a/b", true), ("/public/.*", "/publi", false),
        ("GET|HEAD", "HEAD", true), ("GET|HEAD", "GETHEAD", false), ("(a|b)+c?", "abab", true),
        ("(a|b)+c?", "ababc", true), ("(a|b)+c?", "c", false), ("a{2,3}", "a", false), ("a{2,3}", "aaa", true),
        ("a{2,3}", "aaaa", false), ("a{2,}", "aaaaaaa", true), ("a{3}", "aa", false), ("a{0}", "", true),
        ("[a-c]+", "abcabc", true), ("[^a-c]", "d", true), ("[^a-c]", "a", false), ("[]a]+", "]a", true),
        ("[a-]+", "-a-", true), ("[[:digit:]]+", "042", true), ("[[:alpha:]_]+", "a_Z", true),
        ("\\d+\\.\\d", "12.3", true),
        ("\\d+\\.\\d", "12x3", false), ("^/a$", "/a", true), (".", "\u{e9}", false), ("..", "\u{e9}", true),
        ("/v[0-9]+/users(/.*)?", "/v1/users", true), ("/v[0-9]+/users(/.*)?", "/v1/usersx", false),
        ("(?:ab)*", "abab", true),
        ("a||b", "", true), ("()", "", true), ("(a*)*", "aaaa", true),
    ])
    func `matches the whole text`(_ pattern: String, _ text: String, _ expected: Bool) throws {
        #expect(try TextPattern(pattern).matches(text) == expected)
    }

    @Test(arguments: [
        "(", ")", "a)", "[a", "[z-a]", "*", "a**", "a{2", "a{,3}", "a{3,2}", "a{256}", "\\", "\\1", "\\b", "(?i)a",
        "a^", "a$b",
        "[[:nothing:]]", String(repeating: "(", count: 40) + String(repeating: ")", count: 40),
        "(((a{255}){255}){255}){255}", String(repeating: "a", count: 1025),
    ])
    func `refuses what is no pattern`(_ pattern: String) {
        #expect(throws: TextPattern.Mistake.self) { try TextPattern(pattern) }
    }

    /// Other engines need exponential time for nested repetitions.
    @Test func `takes linear time`() throws {
        let pattern = try TextPattern("(a*)*(a|aa)*b")
        let started = ContinuousClock.now
        #expect(!pattern.matches(String(repeating: "a", count: 20_000)))
        #expect(ContinuousClock.now - started < .seconds(20))
    }

    /// The C library's matcher gives the same result for random patterns that both accept.
    @Test func `agrees with regexec`() throws {
        var random = SystemRandom(state: 0x6C61_6272_756E)
        let pieces = ["a", "b", "ab", ".", "[ab]", "[^a]", "(a|b)", "(ab)*", "a+", "b?", "a{1,2}", "|", "(a|)", "x"]
        var compared = 0
        for _ in 0..<4000 {
            let source = (0..<Int(random.next() % 6)).map { _ in pieces[Int(random.next() % UInt64(pieces.count))] }
                .joined()
            guard let pattern = try? TextPattern(source) else { continue }
            var compiled = regex_t()
            guard regcomp(&compiled, "^(\(source))$", REG_EXTENDED | REG_NOSUB) == 0 else { continue }
            defer { regfree(&compiled) }
            for _ in 0..<8 {
                let text = (0..<Int(random.next() % 7)).map { _ in ["a", "b", "c"][Int(random.next() % 3)] }.joined()
                #expect(pattern.matches(text) == (regexec(&compiled, text, 0, nil, 0) == 0), "\(source) of \(text)")
                compared += 1
            }
        }
        #expect(compared > 10_000)
    }

    /// Any octets are either a pattern or a mistake, and never cause a trap.
    @Test func `survives noise`() {
        var random = SystemRandom(state: 7)
        let alphabet = Array("ab()[]{}*+?|\\^$.-:,0129 é".utf8)
        var (read, matching) = (0, 0)
        for _ in 0..<20_000 {
            let bytes = (0..<Int(random.next() % 24)).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
            guard let pattern = try? TextPattern(String(decoding: bytes, as: UTF8.self)) else { continue }
            read += 1
            if pattern.matches("abab01") { matching += 1 }
        }
        #expect((1000..<19_000).contains(read), "\(read) of 20000 are patterns")
        #expect((1..<read).contains(matching), "\(matching) of \(read) match")
    }
}

/// xorshift64*, the same in every run.
private struct SystemRandom {
    var state: UInt64
    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return (state &* 2_685_821_657_736_338_717) >> 8
    }
}
