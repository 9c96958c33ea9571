import AgentAPI
import Testing

@Suite struct CNIArgumentsTests {
    @Test func whatIsWrittenReadsBack() throws {
        let labels = ["app": "web", "a.b/c": "x,y=z;w%", "leer": "", "ü": "日本"]
        let arguments = CNIArguments(namespace: "kube-system", name: "dns-0", labels: labels)
        #expect(try CNIArguments(parsing: arguments.text) == arguments)
        #expect(!arguments.text.contains("日"))
    }

    @Test func unknownKeysAreIgnoredAndAbsentOnesEmpty() throws {
        let arguments = try CNIArguments(parsing: "IgnoreUnknown=1;K8S_POD_NAME=a;FOO=b=c;;")
        #expect(arguments == CNIArguments(namespace: "", name: "a", labels: [:]))
        #expect(try CNIArguments(parsing: "") == CNIArguments(namespace: "", name: "", labels: [:]))
    }

    @Test(arguments: [
        "novalue", "A=1;A=2", "LABRUN_LABELS=a", "LABRUN_LABELS=a=%2", "LABRUN_LABELS=a=%zz", "LABRUN_LABELS==b",
        "LABRUN_LABELS=a=%ff", "LABRUN_LABELS=a=1,a=2", "LABRUN_LABELS=a=%+1",
    ])
    func malformedArgumentsAreRefused(_ text: String) {
        #expect(throws: AgentError.self) { try CNIArguments(parsing: text) }
    }

    @Test func noTextTraps() {
        var generator = SeededGenerator(seed: 7)
        let alphabet = Array("AK8S_POD_NAME=;,%0fé\n\u{0}LABRUN_LABELS=")
        var (read, refused) = (0, 0)
        for _ in 0..<5000 {
            let text = String(
                (0..<Int.random(in: 0..<60, using: &generator)).map { _ in
                    alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
                })
            guard let arguments = try? CNIArguments(parsing: text) else {
                refused += 1
                continue
            }
            read += 1
            #expect(!arguments.labels.keys.contains(""), "\(text)")
        }
        #expect(read > 50 && refused > 1000, "\(read) read, \(refused) refused")
    }
}

/// SplitMix64, so that a failure repeats.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
