import Foundation
import LinuxKernel
import Testing

/// The plain guest of `plain-guest.sh`, which is made once. On a machine that cannot make it the test fails, because
/// this module is for boots.
private func plainGuest() throws -> (kernel: String, initrd: String) {
    let folder = "/tmp/labrun-test-guest-\(geteuid())"
    let lock = try FileLock(path: folder + ".lock")
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("plain-guest.sh")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = [script.path, folder]
    try process.run()
    process.waitUntilExit()
    _ = consume lock
    try #require(process.terminationStatus == 0, "plain-guest.sh failed: no Debian kernel could be fetched")
    return (folder + "/vmlinuz", folder + "/initrd")
}

@Suite(.serialized) struct BootTests {
    @Test(.timeLimit(.minutes(3))) func guestsBootPanicPauseUnplugResetAndDie() async throws {
        let guest = try plainGuest()
        let bundle = try #require(CommandLine.arguments.first { $0.contains(".xctest") })
        let folder = bundle.components(separatedBy: "/").prefix { !$0.hasSuffix(".xctest") }.joined(separator: "/")
        let cache = "/tmp/labrun-test-cache-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: cache) }
        let host = try LabHostProcess.spawn(
            arguments: ["boot", guest.kernel, guest.initrd, cache], executable: folder + "/LibvirtProbe")
        var said: [String] = []
        for await line in host.eventLines() { said.append(String(decoding: line, as: UTF8.self)) }
        let ended = MonotonicTime.now
        #expect(try await host.wait() == .exited(0), "\(said)")
        #expect(MonotonicTime.now.since(ended) < .seconds(1), "teardown")
        print(said.joined(separator: "\n"))
        #expect(said.contains { $0.hasPrefix("panic ") && $0.hasSuffix("shutdown)") })
        #expect(said.filter { $0.hasPrefix("state ") } == ["state running", "state paused", "state running"])
        #expect(said.contains { $0.hasPrefix("killed ") && $0.hasSuffix("failed)") })
        #expect(said.contains("reset true"))
        #expect(said.filter { $0.hasPrefix("card ") } == ["card true", "card false"])
        #expect(said.filter { $0.hasPrefix("error ") }.count == 2)
        let resident = said.first { $0.hasPrefix("rss MiB=") }.flatMap { Int($0.dropFirst("rss MiB=".count)) }
        #expect((1...300).contains(try #require(resident)))
        #expect(said.last == "done")
        let kept = try FileManager.default.contentsOfDirectory(atPath: cache)
        #expect(kept.contains { $0.hasSuffix(".xml") }, "capabilities are kept for the next lab")
    }
}
