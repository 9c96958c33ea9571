import Glibc
import Testing

@testable import LinuxKernel

@Suite struct PrimitiveTests {
    @Test func pipeCarriesBytesAndEnds() throws {
        var pipe = try Pipe()
        try pipe.writeEnd.writeAll("hello".utf8)
        #expect(try pipe.readEnd.read() == Array("hello".utf8))
        pipe.writeEnd = try FileDescriptor.open("/dev/null", O_WRONLY)
        #expect(try pipe.readEnd.readToEnd().isEmpty)
    }

    @Test func errorsNameCallAndObject() {
        #expect(throws: SystemError(code: ENOENT, call: "open", subject: "/nonexistent")) {
            _ = try FileDescriptor.open("/nonexistent", O_RDONLY)
        }
    }

    @Test func deadlines() throws {
        let deadline = Deadline.after(.milliseconds(20))
        #expect(!deadline.hasPassed)
        #expect((1...20).contains(deadline.remainingMilliseconds))
        let pipe = try Pipe()
        let began = MonotonicTime.now
        #expect(try !waitUntilReady(pipe.readEnd.rawValue, events: Int16(POLLIN), until: deadline))
        #expect(MonotonicTime.now.since(began) >= .milliseconds(15))
        #expect(deadline.hasPassed)
        #expect(deadline.remaining == .zero)
        #expect(Duration.milliseconds(1500).seconds == 1.5)
    }

    @Test func processHandleTellsExitFromSignal() throws {
        func child(_ script: String) throws -> ProcessHandle {
            var pid: pid_t = 0
            let words: [String] = ["sh", "-c", script]
            var arguments: [UnsafeMutablePointer<CChar>?] = words.map { (word: String) in strdup(word) }
            arguments.append(nil)
            defer { arguments.forEach { free($0) } }
            try #require(posix_spawn(&pid, "/bin/sh", nil, nil, &arguments, environ) == 0)
            return try ProcessHandle(processIdentifier: pid)
        }
        let polite = try child("exit 7")
        #expect(try polite.wait() == .exited(7))
        let stubborn = try child("exec sleep 60")
        #expect(try stubborn.waitWithoutBlocking() == nil)
        try stubborn.send(signal: SIGKILL)
        #expect(try stubborn.hasEnded(by: .after(.seconds(5))))
        #expect(try stubborn.wait() == .signalled(SIGKILL))
    }

    @Test func fileLockExcludes() throws {
        let path = "/tmp/labrun-lock-test-\(getpid())"
        defer { unlink(path) }
        do {
            let held = try FileLock(path: path)
            if let second = try FileLock.attempt(path: path) {
                _ = consume second
                Issue.record("a second exclusive lock was granted")
            }
            _ = consume held
        }
        let free = try FileLock.attempt(path: path) != nil
        #expect(free)
    }

    @Test func blockingWorkRunsOnItsOwnThread() async throws {
        let caller = pthread_self()
        #expect(try await onOwnThread("test") { pthread_equal(pthread_self(), caller) } == 0)
        await #expect(throws: SystemError.self) {
            try await onOwnThread("test") { _ = try FileDescriptor.open("/nonexistent", O_RDONLY) }
        }
    }
}
