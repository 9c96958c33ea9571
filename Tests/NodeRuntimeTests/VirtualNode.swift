import Foundation
import NodeLink
import NodeProtocol

/// A node of its own for one test: QEMU under software emulation, the image of `make-initramfs.sh`.
///
/// Needs `LABRUN_TEST_KERNEL`, the directory of an unpacked linux-image package, and `LABRUN_TEST_LABNODE`, the static
/// guest binary.
final class VirtualNode: @unchecked Sendable {  // the process and paths are set once
    static var isAvailable: Bool {
        environment("LABRUN_TEST_KERNEL") != nil && environment("LABRUN_TEST_LABNODE") != nil
    }
    static let mac = "52:54:00:00:00:01"

    let link: NodeLink
    let directory: String
    private let qemu = Process()

    private static func environment(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }

    init(memoryMegabytes: Int = 128) throws {
        directory = "/tmp/labrun-vm-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let kernelTree = Self.environment("LABRUN_TEST_KERNEL") ?? ""
        let here =
            URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/VirtualNodeImage"
        try Self.run([
            "/bin/bash", "\(here)/make-initramfs.sh", "\(directory)/initramfs", kernelTree,
            Self.environment("LABRUN_TEST_LABNODE") ?? "",
        ])
        let kernel = try FileManager.default.contentsOfDirectory(atPath: "\(kernelTree)/boot").first {
            $0.hasPrefix("vmlinuz")
        }
        qemu.executableURL = URL(filePath: "/usr/bin/qemu-system-x86_64")
        qemu.arguments = [
            "-M", "q35", "-cpu", "max", "-accel", "tcg", "-m", "\(memoryMegabytes)", "-nographic", "-nodefaults",
            "-no-reboot", "-kernel", "\(kernelTree)/boot/\(kernel ?? "")", "-initrd", "\(directory)/initramfs",
            "-append", "console=ttyS0 panic=-1 quiet loglevel=4", "-serial", "file:\(directory)/console",
            "-device", "virtio-serial", "-chardev", "socket,id=c,server=on,wait=off,path=\(directory)/link",
            "-device", "virtserialport,chardev=c,name=labrun.link", "-netdev", "user,id=n,restrict=on",
            "-device", "virtio-net-pci,netdev=n,mac=\(Self.mac),romfile=",
        ]
        qemu.standardInput = FileHandle.nullDevice
        try qemu.run()
        link = NodeLink(node: "node1", path: "\(directory)/link")
    }

    var console: String { (try? String(contentsOfFile: "\(directory)/console", encoding: .utf8)) ?? "" }
    var isRunning: Bool { qemu.isRunning }
    var processIdentifier: Int32 { qemu.processIdentifier }

    /// Waits for QEMU's own end.
    func waitForExit() { qemu.waitUntilExit() }

    func end() {
        link.close()
        if qemu.isRunning { qemu.terminate() }
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

    private static func run(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: arguments[0])
        process.arguments = Array(arguments.dropFirst())
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw CocoaError(.executableLoad) }
    }
}
