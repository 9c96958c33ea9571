import Foundation
import Scenario
import Testing

@testable import LabrunCommands

/// Which programs a lab's control plane runs, and what is said of a folder without them.
@Suite struct ControlPlaneChoiceTests {
    private func profile(_ change: (inout ControlPlaneLayout) -> Void = { _ in }) throws -> LabProfile {
        guard case .profile(var profile) = ScenarioLoader.labProfiles.find("eks-control-plane", "x.yaml") else {
            throw CocoaError(.fileNoSuchFile)
        }
        change(&profile.controlPlane)
        return profile
    }

    @Test func `the lab goes before the environment, and that before labrun's own`() throws {
        let environment = [ControlPlaneChoice.variable: "/environment"]
        let named = try profile { $0.binaries = "/lab" }
        #expect(ControlPlaneChoice(named, environment: environment)?.folder == "/lab")
        #expect(ControlPlaneChoice(try profile(), environment: environment)?.folder == "/environment")
        #expect(ControlPlaneChoice(try profile(), environment: [:])?.folder == nil)
        #expect(ControlPlaneChoice(try profile(), environment: [ControlPlaneChoice.variable: ""])?.folder == nil)
        #expect(ControlPlaneChoice(try profile { $0.enabled = false }, environment: environment) == nil)
    }

    @Test func `a folder is told with who named it, what it lacks and its version`() throws {
        let folder = NSTemporaryDirectory() + "labrun-programs-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func mistake(_ series: String? = nil) throws -> String? {
            let profile = try profile { ($0.binaries, $0.version) = (folder, series) }
            return ControlPlaneChoice(profile, environment: [:])?.mistake?.description
        }
        let empty = try #require(try mistake())
        #expect(empty.hasPrefix("controlPlane.binaries: "), "\(empty)")
        #expect(empty.contains("lacks etcd, kube-apiserver, kube-controller-manager, kube-scheduler"), "\(empty)")
        for name in ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
            let path = "\(folder)/\(name)"
            try "#!/bin/sh\necho Kubernetes v1.29.3\n".write(toFile: path, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        }
        #expect(try mistake() == nil)
        #expect(try mistake("1.29") == nil)
        #expect(try mistake("1.2")?.contains("has Kubernetes v1.29.3, and the lab asks for 1.2") == true)
    }

    @Test func `a command without a lab says how to get one`() throws {
        let error = #expect(throws: (any Error).self) { try FoundLab.named(nil, among: []) }
        #expect("\(try #require(error))".contains("no lab runs"))
    }
}
