import DatapathOptions
import Foundation
import Testing

@testable import Scenario

/// The values of the field reports, unchanged. Known values are accepted. What the lab does not do is refused by name
/// with the reason, and for an unknown name the nearest one is suggested.
@Suite struct FieldReportValuesTests {
    private static func fixture(_ name: String) throws -> String {
        let url = try #require(Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Fixtures"))
        return try String(contentsOf: url, encoding: .utf8)
    }

    /// A scenario whose lab, of the cloud of the report, has a values block.
    private static func scenario(_ block: String) -> String {
        ScenarioText.head.replacing("eks-overlay", with: "cce-overlay-l2")
            + "  overrides:\n    datapath:\n      values:\n" + ScenarioText.indented(block, by: 8)
            + ScenarioText.workloads
            + "  timeline:\n    - name: first\n      expect:\n" + ScenarioText.rules
    }

    private static func line(of text: String, in file: String) -> Int? {
        file.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains(text) }.map { $0 + 1 }
    }

    /// The block of the report on CCE, with its comments. Everything is accepted except the Gateway API (and the proxy,
    /// while there is none).
    @Test func theBlockOfOverlayL2() throws {
        let file = Self.scenario(try Self.fixture("cce-overlay-l2-values.yaml"))
        let problems = ScenarioText.problems(file)
        var refused = ["gatewayAPI.enabled=true", "gatewayAPI.xffNumTrustedHops=2"]
        if OptionCatalogue.mistake(name: "l7Proxy", value: "true") != nil { refused.append("l7Proxy=true") }
        #expect(problems.count == refused.count, "\(problems)")
        for (name, problem) in zip(refused, problems.sorted { $0 < $1 }) {
            #expect(problem.contains("datapath value \(name) is not supported: "), "\(problem)")
            // The message is at the value's own place.
            let key = String(name.split(separator: "=")[0].split(separator: ".").last ?? "")
            let shown = name.contains("gatewayAPI.enabled") ? "gatewayAPI:" : "\(key): "
            let line = try #require(Self.line(of: shown, in: file)) + (shown.hasSuffix(":") ? 1 : 0)
            #expect(problem.hasPrefix("x.yaml:\(line):"), "\(problem)")
        }
    }

    /// Without the refused parts it is a valid lab.
    @Test func theBlockOfOverlayL2WithoutItsGateway() throws {
        let lines = try Self.fixture("cce-overlay-l2-values.yaml").split(
            separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex(of: "gatewayAPI:"))
        let end = try #require(lines[(start + 1)...].firstIndex { !$0.hasPrefix(" ") })
        var kept = Array(lines[..<start] + lines[end...])
        if OptionCatalogue.mistake(name: "l7Proxy", value: "true") != nil { kept.removeAll { $0.hasPrefix("l7Proxy") } }
        let file = Self.scenario(kept.joined(separator: "\n"))
        #expect(ScenarioText.problems(file) == [])
        let parser = ScenarioParser(faults: testFaults, diagnoses: [], profiles: ScenarioLoader.labProfiles)
        let profile = try #require(parser.parse(Array(file.utf8), file: "x.yaml", settings: []).profile)
        let options = try DatapathOptions(values: profile.datapathValues)
        #expect(options.kubeProxyReplacement == .true && options.socketLB.enabled && options.bpf.masquerade)
        #expect(options.routingMode == .tunnel && options.tunnelProtocol == .vxlan && options.debug.enabled)
        #expect(options.ipam.operator.clusterPoolIPv4PodCIDRList == ["10.100.0.0/16"])
        #expect(options.ipam.operator.clusterPoolIPv4MaskSize == 24)
    }

    /// The settings `--set NAME=VALUE` of a Helm command.
    private static func settings(_ command: String) -> [Setting] {
        command.replacing("\\\n", with: " ").components(separatedBy: "--set ").dropFirst().compactMap { part in
            let text = part.trimmingCharacters(in: .whitespacesAndNewlines)
            guard let setting = Setting(text) else { return nil }
            let value = setting.value.trimmingCharacters(in: CharacterSet(charactersIn: "\""))
            return Setting(path: "datapath.values." + setting.path, value: value)
        }
    }

    private enum Fate {
        case acts, refused, unknown(nearest: String?)
        /// The lab lacks what is named.
        case missing(String)
    }

    /// Checks each setting by itself, so that every one is judged.
    private func check(_ settings: [Setting], _ fate: (String) -> Fate) {
        for setting in settings {
            let name = String(setting.path.dropFirst("datapath.values.".count))
            let problems = ScenarioText.problems(
                ScenarioText.expecting("diagnosis: {is: none}"), settings: [setting])
            switch fate(name) {
            case .acts: #expect(problems == [], "\(name)")
            case .missing(let message):
                #expect(problems.count == 1 && problems[0].contains(message), "\(name): \(problems)")
            case .refused:
                #expect(problems.count == 1, "\(name): \(problems)")
                #expect(
                    problems.allSatisfy {
                        $0.contains("datapath value \(name)=") && $0.contains(" is not supported: ")
                    },
                    "\(problems)")
            case .unknown(let nearest):
                #expect(problems.count == 1, "\(name): \(problems)")
                #expect(problems.allSatisfy { $0.contains("unknown datapath value \"\(name)\"") }, "\(problems)")
                if let nearest {
                    #expect(problems.allSatisfy { $0.contains("datapath.values.\(nearest)") }, "\(name): \(problems)")
                }
            }
        }
    }

    /// The command of the report on bare metal, with its typing errors. Helm would have ignored unknown names.
    @Test func theCommandOfBareMetal() throws {
        let settings = Self.settings(try Self.fixture("bare-metal-install.txt"))
        #expect(settings.count == 23)
        check(settings) { name in
            switch name {
            case "kubeProxyReplacement", "image.UseDigest", "operator.image.useDigest": .acts
            case "devices": .missing("the nodes have no interface ens192; expected interfaces of the nodes: eth0")
            case "k8sServiceHost":
                .missing("the lab has no API server; expected a lab with controlPlane.enabled: true")
            case "ipam.Operator.clusterPoolIPv4PodCIDRList":
                .unknown(nearest: "ipam.operator.clusterPoolIPv4PodCIDRList")
            case "ipam.Operator.ClusterPoolIPv4MaskSize": .unknown(nearest: "ipam.operator.clusterPoolIPv4MaskSize")
            case "enable-bpf-masquerade": .unknown(nearest: "bpf.masquerade")
            case "k8sservicePort": .unknown(nearest: "k8sServicePort")
            case "prometheus.Enabled": .unknown(nearest: "prometheus.enabled")
            case _ where name.hasSuffix("UseDigest"): .acts
            default: .refused
            }
        }
    }

    /// The block of the report on EKS, with an option of an older chart, and the cloud's interfaces as far as the lab
    /// has them.
    @Test func theCommandOfENI() throws {
        let settings = Self.settings(try Self.fixture("eks-eni-install.txt"))
        #expect(settings.count == 4)
        check(settings) { name in
            switch name {
            case "tunnel": .unknown(nearest: "routingMode")
            case "egressMasqueradeInterfaces": .acts
            default:
                OptionCatalogue.mistake(name: name, value: name == "ipam.mode" ? "eni" : "true") == nil
                    ? .acts : .refused
            }
        }
    }

    /// All mistakes of a block are reported at once, each at its own place, and an unknown name at the name.
    @Test func everyMistakeOfABlockIsReported() throws {
        let file = Self.scenario(
            "bpf:\n  masquerad: true\nroutingMode: tunel\nipv6: {enabled: true}\ntunnelPort: 70000\nrouting: "
                + "{mode: native}"
        )
        let problems = ScenarioText.problems(file)
        #expect(problems.count == 5, "\(problems)")
        let first = try #require(Self.line(of: "bpf:", in: file))
        #expect(
            problems.contains {
                $0.hasPrefix("x.yaml:\(first + 1):11:") && $0.contains("\"bpf.masquerad\"")
                    && $0.contains("bpf.masquerade")
            }, "\(problems)")
        #expect(
            problems.contains {
                $0.hasPrefix("x.yaml:\(first + 2):22:") && $0.contains("routingMode") && $0.contains("tunnel")
            })
        #expect(
            problems.contains {
                $0.hasPrefix("x.yaml:\(first + 3):") && $0.contains("ipv6.enabled=true is not supported")
            })
        #expect(problems.contains { $0.hasPrefix("x.yaml:\(first + 4):") && $0.contains("70000") })
        #expect(problems.contains { $0.contains("unknown datapath value \"routing.mode\"") })
    }

    @Test func aValueIsGivenOnce() {
        let problems = ScenarioText.problems(Self.scenario("bpf.masquerade: true\nbpf: {masquerade: false}"))
        #expect(problems.count == 1 && problems[0].contains("bpf.masquerade is given twice"), "\(problems)")
    }
}
