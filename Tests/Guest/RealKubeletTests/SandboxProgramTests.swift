import Foundation
import Glibc
import Testing

@testable import RealKubelet

@Suite struct SandboxProgramTests {
    /// A process that is ended with the test.
    private final class Running {
        let number: pid_t

        init(_ path: String) throws {
            var number: pid_t = 0
            var words: [UnsafeMutablePointer<CChar>?] = [strdup(path), nil]
            let code = posix_spawn(&number, path, nil, nil, &words, environ)
            free(words[0])
            try #require(code == 0, "\(String(cString: strerror(code)))")
            self.number = number
        }

        deinit {
            kill(number, SIGKILL)
            waitpid(number, nil, 0)
        }

        func text(_ name: String) -> String {
            (try? String(contentsOfFile: "/proc/\(number)/\(name)", encoding: .utf8)) ?? ""
        }
    }

    @Test(.enabled(if: SandboxProgramTests.isX86, "it is a program of x86-64"))
    func `it waits, leaves no ended children behind, and takes almost no memory`() throws {
        let path = "\(NSTemporaryDirectory())labrun-sandbox-\(getpid())"
        defer { unlink(path) }
        try Data(SandboxProgram.file).write(to: URL(filePath: path))
        try #require(chmod(path, 0o755) == 0)
        let process = try Running(path)
        // 34 is pause(2).
        let deadline = ContinuousClock.now + .seconds(10)
        while !process.text("syscall").hasPrefix("34 "), ContinuousClock.now < deadline { poll(nil, 0, 1) }
        #expect(process.text("syscall").hasPrefix("34 "))
        let status = process.text("status").split(separator: "\n")
        func value(_ name: String) -> String? {
            status.first { $0.hasPrefix(name + ":") }?.dropFirst(name.count + 1)
                .trimmingCharacters(in: .whitespaces)
        }
        let ignored = try #require(value("SigIgn").flatMap { UInt64($0, radix: 16) })
        #expect(ignored & 1 << UInt64(SIGCHLD - 1) != 0)
        let memory = try #require(value("VmRSS").flatMap { Int($0.prefix { $0.isNumber }) })
        #expect(memory < 100, "kB")
    }

    #if arch(x86_64)
        static let isX86 = true
    #else
        static let isX86 = false
    #endif
}
