import Foundation

/// The floor: QEMU guests with the same kernel and only busybox, started side by side.
struct PlainGuests {
    private let kernel: String
    private let initrd: String
    private let folder: String
    private static let marker = "user space reached"

    init(kernel: String, folder: String) throws {
        self.kernel = kernel
        self.folder = folder
        initrd = folder + "/busybox.cpio"
        let tree = folder + "/busybox"
        try FileManager.default.createDirectory(atPath: tree + "/bin", withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: "/bin/busybox", toPath: tree + "/bin/busybox")
        let script = "#!/bin/busybox sh\n/bin/busybox echo \(Self.marker)\nexec /bin/busybox poweroff -f\n"
        try script.write(toFile: tree + "/init", atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: tree + "/init")
        let pack = Process()
        pack.executableURL = URL(fileURLWithPath: "/bin/sh")
        pack.arguments = ["-c", "cd '\(tree)' && mkdir -p dev && find . | cpio -o -H newc --quiet > '\(initrd)'"]
        try pack.run()
        pack.waitUntilExit()
        guard pack.terminationStatus == 0 else { throw BenchError("cpio failed") }
    }

    /// Returns the seconds from the start of the first guest until the last one has printed from user space.
    func secondsToUserSpace(count: Int) throws -> Double {
        let started = ContinuousClock.now
        let guests = try (1...count).map { _ in try start() }
        for guest in guests { try awaitMarker(guest) }
        let taken = ContinuousClock.now - started
        for guest in guests { guest.process.waitUntilExit() }
        return Double(taken.components.seconds) + Double(taken.components.attoseconds) / 1e18
    }

    private func start() throws -> (process: Process, output: FileHandle) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/qemu-system-x86_64")
        process.arguments = [
            "-M", "q35,accel=tcg", "-cpu", "max", "-m", "128", "-nographic", "-nodefaults", "-no-reboot", "-serial",
            "stdio", "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 panic=-1 loglevel=4 rdinit=/init",
        ]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardInput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        return (process, pipe.fileHandleForReading)
    }

    private func awaitMarker(_ guest: (process: Process, output: FileHandle)) throws {
        var seen = Data()
        while true {
            let chunk = guest.output.availableData
            guard !chunk.isEmpty else { throw BenchError("a plain guest ended before user space") }
            seen.append(chunk)
            if seen.range(of: Data(Self.marker.utf8)) != nil { return }
        }
    }
}
