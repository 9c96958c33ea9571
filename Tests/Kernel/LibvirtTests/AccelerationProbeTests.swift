import Foundation
import Testing

@testable import Libvirt

@Suite struct AccelerationProbeTests {
    /// Probes with a shell script as emulator. What the script prints is the guest's console.
    private func probe(
        _ script: String, _ folder: String, device: String = "/dev/null", kernel: String = "/k"
    ) throws -> AccelerationProbe {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let emulator = folder + "/emulator"
        try "#!/bin/sh\necho run >> \(folder)/runs\n\(script)\n".write(
            toFile: emulator, atomically: true, encoding: .utf8)
        chmod(emulator, 0o755)
        return AccelerationProbe(kernel: kernel, cacheDirectory: folder, device: device, emulator: emulator)
    }

    private func folder() -> String { "/tmp/labrun-kvm-test-\(UUID().uuidString)" }

    private func runs(_ folder: String) -> Int {
        let text = (try? String(contentsOfFile: folder + "/runs", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").count
    }

    @Test func aBootedKernelProvesAndIsKept() async throws {
        let folder = folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let probe = try probe("echo '[ 0.5] Kernel panic - not syncing: VFS: Unable to mount root fs'", folder)
        #expect(probe.kept() == nil)
        async let first = probe.answer()
        async let second = probe.answer()
        let answers = await [first, second]
        #expect(answers.allSatisfy { $0.accelerator == .kvm })
        #expect(runs(folder) == 1, "concurrent labs probe once")
        #expect(probe.kept()?.accelerator == .kvm)
    }

    /// A lab of one kernel after a lab of another does not ask again.
    @Test func eachKernelHasItsOwnAnswer() async throws {
        let folder = folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let one = try probe("echo 'Kernel panic - not syncing: VFS: no root'", folder)
        #expect(await one.answer().accelerator == .kvm)
        let other = try probe("exit 1", folder, kernel: "/other")
        #expect(other.kept() == nil)
        #expect(await other.answer(within: .milliseconds(300)).accelerator == .tcg)
        #expect(one.kept()?.accelerator == .kvm && other.kept()?.accelerator == .tcg)
        _ = (await one.answer(), await other.answer())
        #expect(runs(folder) == 2)
    }

    @Test func aHangingGuestIsSoftwareEmulation() async throws {
        let folder = folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let probe = try probe("echo 'Booting from ROM...'; exec sleep 60", folder)
        let answer = await probe.answer(within: .milliseconds(300))
        #expect(answer.accelerator == .tcg)
        #expect(answer.reason.contains("Booting from ROM"))
        _ = await probe.answer()
        #expect(runs(folder) == 1, "a failure is kept too")
    }

    @Test func noDeviceNeedsNoGuest() async throws {
        let folder = folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let answer = await (try probe("exit 1", folder, device: "/nonexistent")).answer()
        #expect(answer.accelerator == .tcg)
        #expect(runs(folder) == 0)
    }
}
