import Foundation
import LinuxKernel
import Glibc
import NamespaceHarness
import NodeImage
import NodeLink
import NodeProtocol

/// A node of its own for one test: QEMU under software emulation with the cached node image and a small userland.
///
/// `make test` puts kernel package and guest binaries where they are looked for. Without them the test fails with the
/// command that mends it.
final class VirtualNode: @unchecked Sendable {  // the process and paths are set once
    static let mac = "52:54:00:00:00:01"

    let link: NodeLink
    let directory: String
    private let qemu = Process()

    /// - Parameter restarts: Whether the machine boots again when the guest reboots. Otherwise it ends.
    init(restarts: Bool = false) async throws {
        directory = FileManager.default.temporaryDirectory.path + "/labrun-vm-\(UInt32.random(in: 0...UInt32.max))"
        let image = try await Self.image()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try Self.run([
            "/bin/bash", "-c",
            #""$1"/Tests/Programs/VirtualNodeImage/make-userland.sh "$2/userland" && cat "$3" "$2/userland" > "#
                + #""$2/initramfs""#,
            "userland", BuiltLabrun.root.path, directory, image.initrdPath,
        ])
        let rate = try await TimeStampCounter.kilohertz().map { ["tsc_early_khz=\($0)"] }
        let parameters = ["console=ttyS0", "panic=-1", "loglevel=4", "tsc=reliable", "rdinit=/init"] + (rate ?? [])
        qemu.executableURL = URL(filePath: "/usr/bin/qemu-system-x86_64")
        qemu.arguments =
            [
                "-M", "q35", "-cpu", "max", "-accel", "tcg", "-m", "192", "-nographic", "-nodefaults",
                "-kernel", image.kernelPath, "-initrd", "\(directory)/initramfs",
                "-append", (parameters + image.series.emulationParameters).joined(separator: " "),
                "-serial", "file:\(directory)/console",
                "-chardev", "socket,id=g,server=on,wait=off,path=\(directory)/go", "-serial", "chardev:g",
                "-device", "virtio-serial", "-chardev", "socket,id=c,server=on,wait=off,path=\(directory)/link",
                "-device", "virtserialport,chardev=c,name=labrun.link", "-netdev", "user,id=n,restrict=on",
                "-device", "virtio-net-pci,netdev=n,mac=\(Self.mac),romfile=",
            ] + (restarts ? [] : ["-no-reboot"])
        qemu.standardInput = FileHandle.nullDevice
        try qemu.run()
        link = NodeLink(node: "node1", path: "\(directory)/link")
    }

    /// The standard image, with what a bridge plugin needs as well.
    private static func image() async throws -> NodeImageArtifact {
        let environment = ProcessInfo.processInfo.environment["LABRUN_GUEST_DIR"]
        let guest = environment ?? BuiltLabrun.root.appending(path: ".build/release/guest").path
        return try await ImageStore(guestDirectory: guest).ensure(
            ImageRecipe(series: .standard, modules: ImageRecipe.standardModules + ["bridge"]))
    }

    var console: String { (try? String(contentsOfFile: "\(directory)/console", encoding: .utf8)) ?? "" }
    var socketPath: String { "\(directory)/link" }

    /// Sends a line to `/dev/ttyS1` of the node, for a program there that waits for a moment which the host knows.
    func go() throws {
        let socket = try connectedSocket(to: "\(directory)/go")
        defer { close(socket) }
        guard write(socket, "\n", 1) == 1 else { throw CocoaError(.fileWriteUnknown) }
    }

    /// Waits for QEMU to end by itself.
    /// - Returns: Whether it ended in time.
    func hasEnded(within seconds: Double) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while qemu.isRunning, .now < deadline { try await Task.sleep(for: .milliseconds(10)) }
        return !qemu.isRunning
    }

    /// Waits for a text on the console.
    /// - Returns: Whether it came in time.
    func says(_ text: String, within seconds: Double) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while !console.contains(text), .now < deadline { try await Task.sleep(for: .milliseconds(20)) }
        return console.contains(text)
    }

    func end() {
        link.close()
        // SIGTERM is not enough: QEMU inherits the signal mask of the thread that started it, which may block that
        // signal.
        if qemu.isRunning { kill(qemu.processIdentifier, SIGKILL) }
        qemu.waitUntilExit()
        try? FileManager.default.removeItem(atPath: directory)
    }

    func configuration(agent: [String] = ["/usr/bin/test-agent", "/run/test/agent.json"]) -> NodeConfiguration {
        NodeConfiguration(
            name: "node1",
            interfaces: [
                NodeInterface(name: "eth0", mac: Self.mac, address: "10.0.0.11/24", gateway: "10.0.0.1", mtu: 1500)
            ],
            clockNanoseconds: Int64(Date().timeIntervalSince1970 * 1e9), agentCommand: agent,
            agentConfigPath: "/run/test/agent.json", agentConfig: "{\"hello\":1}", agentSocket: "/run/test/agent.sock",
            nodePort: 7000)
    }

    /// Runs a shell line in the node.
    @discardableResult
    func shell(_ line: String) async throws -> Executed {
        let answer = try await link.call(
            .execute(Execute(arguments: ["/bin/sh", "-c", line], deadlineMillis: 20_000)), deadline: .seconds(25))
        guard case .executed(let executed) = answer.reply else { throw CocoaError(.coderInvalidValue) }
        return executed
    }

    func snapshot(through link: NodeLink? = nil) async throws -> NodeSnapshot {
        let answer = try await (link ?? self.link).call(.snapshot, deadline: .seconds(20))
        guard case .snapshot(let snapshot) = answer.reply else { throw CocoaError(.coderInvalidValue) }
        return snapshot
    }

    private static func run(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: arguments[0])
        process.arguments = Array(arguments.dropFirst())
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw CocoaError(.executableLoad) }
    }
}

/// Returns the first event that the body accepts, or nil at the deadline.
func first<Value: Sendable>(
    of events: AsyncStream<NodeEvent>, within seconds: Double, _ take: @escaping @Sendable (NodeEvent) -> Value?
) async -> Value? {
    await withTaskGroup(of: Value?.self) { group in
        group.addTask {
            for await event in events { if let value = take(event) { return value } }
            return nil
        }
        group.addTask {
            try? await Task.sleep(for: .seconds(seconds))
            return nil
        }
        defer { group.cancelAll() }
        return await group.next() ?? nil
    }
}

/// A folder for one test. It is removed together with the object.
final class TestFolder: Sendable {
    let path: String
    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/labrun-test-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Returns a connection to a unix socket.
func connectedSocket(to path: String) throws -> Int32 {
    let socket = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let connected = withUnsafePointer(to: address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
    guard connected == 0 else {
        close(socket)
        throw CocoaError(.fileReadUnknown)
    }
    return socket
}
