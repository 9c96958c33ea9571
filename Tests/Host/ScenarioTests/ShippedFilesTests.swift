import Expectations
import Faults
import Foundation
import LabProfiles
import ScenarioReading
import ShippedScenarios
import Testing

@testable import Scenario

/// The descriptors of the faults that ship.
let testFaults = FaultCatalogue.shipped.descriptors

/// The root of the repository.
let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
    .deletingLastPathComponent()

@Suite struct ShippedFilesTests {
    @Test("every shipped scenario is valid, without a warning", arguments: ShippedScenarios.names)
    func valid(name: String) throws {
        let loaded = try ScenarioLoader.load(name, faults: testFaults)
        #expect(loaded.warnings.isEmpty, "\(ProblemReport(loaded.warnings))")
        #expect(loaded.scenario.metadata.name == name)
        #expect(loaded.sha256.count == 64)
        #expect(loaded.profile.nodeNames.count >= 2)
        #expect(loaded.scenario.spec.timeline.count >= 3)
    }

    @Test("every lab profile is valid", arguments: LabProfiles.names)
    func lab(name: String) throws {
        let bytes = try #require(LabProfiles.bytes(of: name))
        let (profile, problems) = ScenarioParser.parseLab(bytes, file: name)
        #expect(problems.isEmpty, "\(ProblemReport(problems))")
        #expect(profile?.name == name)
    }

    @Test("every file in the folders is embedded, and nothing else")
    func complete() throws {
        func names(_ folder: String) throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: repository.appending(path: folder).path)
                .filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
        }
        #expect(try names("scenarios") == ShippedScenarios.names)
        #expect(try names("lab/profiles") == LabProfiles.names)
        for name in ShippedScenarios.names {
            let file = try Data(contentsOf: repository.appending(path: "scenarios/\(name).yaml"))
            #expect(ShippedScenarios.bytes(of: name) == [UInt8](file))
        }
    }

    @Test("the main scenario's values")
    func mainScenario() throws {
        let loaded = try ScenarioLoader.load("vxlan-blocked-8472", faults: testFaults)
        let steps = loaded.scenario.spec.timeline
        #expect(steps.map(\.name) == ["baseline", "blocked", "fixed"])
        guard case .inject(let call)? = steps[1].actions.first else {
            Issue.record("no inject")
            return
        }
        #expect(call.id == "no-vxlan" && call.kind == "security-group-rule")
        #expect(call.parameters["rule"] == .text("vxlan"))
        #expect(call.location.file == "vxlan-blocked-8472.yaml")
        let expect = try #require(steps[1].expect)
        #expect(expect.of(MatrixExpectation.self).count == 3 && expect.within == 10)
        let health = expect.of(HealthExpectation.self).first
        #expect(health?.reachable == 1 && health?.total == nil)
        #expect(expect.of(WireExpectation.self).map(\.present) == [true, false])
        let flowLog = expect.of(FlowLogExpectation.self).first
        #expect(flowLog?.action == "REJECT" && flowLog?.nodes == [])
        #expect(expect.of(DiagnosisExpectation.self).first?.mentions == ["nodes", "8472", "ingress"])
        guard case .heal(let id)? = steps[2].actions.first else {
            Issue.record("no heal")
            return
        }
        #expect(id == "no-vxlan")
        #expect(steps[2].expect?.of(HealthExpectation.self).first?.allReachable == true)
        #expect(loaded.profile.securityGroups.first?.rules.first?.ports == 8472...8472)
        #expect(loaded.profile.datapathValues["ipam.mode"] == "cluster-pool")
    }
}
