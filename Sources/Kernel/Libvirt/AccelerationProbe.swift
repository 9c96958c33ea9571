import Files
import Foundation
import LinuxKernel

/// Finds out whether hardware virtualisation really works here. `/dev/kvm` can exist and create a virtual CPU, and
/// still never run a kernel. The proof is therefore a kernel that boots under it, once for each host boot and kernel.
public struct AccelerationProbe: Sendable {
    /// The answer, and how it was found.
    public struct Answer: Sendable, Hashable, Codable {
        public var accelerator: DomainSpec.Accelerator
        /// The reason, for people.
        public var reason: String
    }

    /// What the cache keeps, with an answer for each guest kernel. They count only for the same boot of the host and the
    /// same host kernel.
    struct Record: Codable, Equatable {
        var bootIdentifier: String
        var hostKernel: String
        var answers: [String: Answer] = [:]
    }

    private let kernel: String
    private let cacheDirectory: String
    private let device: String
    private let emulator: String

    /// - Parameters:
    ///   - kernel: A node's kernel image on the host. It needs no initramfs, since its panic for lack of one is the
    ///     proof.
    ///   - cacheDirectory: Is created if missing. Labs that run at the same time share it.
    public init(
        kernel: String, cacheDirectory: String, device: String = "/dev/kvm",
        emulator: String = "/usr/bin/qemu-system-x86_64"
    ) {
        self.kernel = kernel
        self.cacheDirectory = cacheDirectory
        self.device = device
        self.emulator = emulator
    }

    /// Returns the cached answer, or finds one within the deadline. It never fails: if nothing proves acceleration, the
    /// answer is software emulation. It works inside and outside of a lab.
    public func answer(within limit: Duration = .seconds(5)) async -> Answer {
        do {
            return try await onOwnThread("kvm probe") { try keptOrProved(within: limit) }
        } catch {
            return Answer(accelerator: .tcg, reason: "the probe failed: \(error)")
        }
    }

    /// Returns the cached answer for this boot, or `nil` if there is none yet.
    public func kept() -> Answer? { record().answers[kernel] }

    /// Returns what the cache keeps for this boot, for any kernel.
    private func record() -> Record {
        let empty = emptyRecord()
        guard let data = FileManager.default.contents(atPath: path),
            let record = try? JSONDecoder().decode(Record.self, from: data),
            record.bootIdentifier == empty.bootIdentifier, record.hostKernel == empty.hostKernel
        else { return empty }
        return record
    }

    private var path: String { cacheDirectory + "/acceleration.json" }

    private func keptOrProved(within limit: Duration) throws -> Answer {
        let opened = try? FileDescriptor.open(device, O_RDWR)
        guard opened != nil else { return Answer(accelerator: .tcg, reason: "\(device) cannot be opened") }
        if let answer = kept() { return answer }
        try FileManager.default.createDirectory(atPath: cacheDirectory, withIntermediateDirectories: true)
        let lock = try FileLock(path: cacheDirectory + "/acceleration.lock")
        // Another lab may have proved it while this one waited.
        let answer = try kept() ?? prove(within: limit)
        var record = record()
        record.answers[kernel] = answer
        try AtomicFile.write(try JSONEncoder().encode(record), to: path)
        _ = consume lock
        return answer
    }

    private func emptyRecord() -> Record {
        func line(_ path: String) -> String {
            (try? String(contentsOfFile: path, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
        }
        return Record(
            bootIdentifier: line("/proc/sys/kernel/random/boot_id"), hostKernel: line("/proc/sys/kernel/osrelease"))
    }

    /// Boots the kernel until it panics for want of a root file system, watching its console.
    private func prove(within limit: Duration) throws -> Answer {
        let console = Foundation.Pipe()
        let process = Process()
        // The guest must end with us, as it runs outside of any lab. setpriv is part of util-linux. This thread waits
        // for the guest.
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
        process.arguments = [
            "--pdeathsig", "KILL", emulator, "-machine", "q35", "-accel", "kvm", "-cpu", "max", "-m", "128",
            "-nodefaults", "-no-user-config",
            "-display",
            "none", "-no-reboot", "-serial", "stdio", "-kernel", kernel, "-append", "console=ttyS0 panic=-1",
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = console
        process.standardError = FileHandle.nullDevice
        try process.run()
        try console.fileHandleForWriting.close()
        defer {
            if process.isRunning { kill(process.processIdentifier, SIGKILL) }
            process.waitUntilExit()
        }
        let deadline = Deadline.after(limit)
        let descriptor = console.fileHandleForReading.fileDescriptor
        var text = ""
        while try waitUntilReady(descriptor, events: Int16(POLLIN), until: deadline) {
            let chunk = console.fileHandleForReading.availableData
            if chunk.isEmpty { break }
            text += String(decoding: chunk, as: UTF8.self)
            if text.contains("Kernel panic - not syncing: VFS") {
                return Answer(accelerator: .kvm, reason: "a probe guest booted under KVM")
            }
        }
        let last = text.split(whereSeparator: \.isNewline).last.map { ": \($0.suffix(80))" } ?? ", silent"
        let seconds = Int(limit.seconds.rounded())
        return Answer(accelerator: .tcg, reason: "no guest booted under KVM within \(seconds) s\(last)")
    }
}
