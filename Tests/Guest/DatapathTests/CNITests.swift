import AgentAPI
import CNI
import DatapathOptions
import Testing

@testable import Datapath

@Suite struct CNITests {
    private static let endpoint = EndpointRecord(
        id: 7, containerID: "c1", interface: "eth0", netns: "/run/netns/p", namespace: "default", name: "p",
        labels: [:],
        identity: 300, address: "192.168.1.9", hostInterface: "lxc000000000001", ifindex: 12, mac: "02:00:00:00:00:01",
        hostMAC: "02:00:00:00:00:02", phase: .ready)

    private func configuration(_ version: String, _ rest: String = "") throws -> CNIConfiguration {
        try CNIConfiguration(parsing: #"{"cniVersion":"\#(version)","name":"labrun","type":"labrun-cni"\#(rest)}"#)
    }

    @Test func theResultHasTheFormOfItsVersion() throws {
        let result = CNIResult.connecting(
            Self.endpoint, router: "192.168.1.1", configuration: try configuration("1.0.0"))
        #expect(
            result.json == #"{"cniVersion":"1.0.0","dns":{},"interfaces":[{"mac":"02:00:00:00:00:02","#
                + #""name":"lxc000000000001"},{"mac":"02:00:00:00:00:01","name":"eth0","sandbox":"/run/netns/p"}],"#
                + #""ips":[{"address":"192.168.1.9/32","gateway":"192.168.1.1","interface":1}],"#
                + #""routes":[{"dst":"192.168.1.1/32"},{"dst":"0.0.0.0/0","gw":"192.168.1.1"}]}"#)
        let old = CNIResult.connecting(
            Self.endpoint, router: "192.168.1.1", configuration: try configuration("0.4.0"))
        #expect(old.ips?.first?.version == "4" && old.cniVersion == "0.4.0")
    }

    @Test func aResultOfTheChainIsPassedOn() throws {
        let previous =
            #","prevResult":{"cniVersion":"1.0.0","interfaces":[{"name":"br0"}],"#
            + #""ips":[{"address":"10.9.0.2/24","interface":0}],"dns":{"nameservers":["10.0.0.2"]}}"#
        let result = CNIResult.connecting(
            Self.endpoint, router: "192.168.1.1", configuration: try configuration("1.0.0", previous))
        #expect(result.interfaces?.map(\.name) == ["br0", "lxc000000000001", "eth0"])
        #expect(result.ips?.map(\.interface) == [0, 2])
        #expect(result.dns?.nameservers == ["10.0.0.2"])
    }

    private static func result(_ text: String) throws -> CNIResult {
        try #require(
            try CNIConfiguration(parsing: #"{"cniVersion":"1.0.0","name":"a","prevResult":\#(text)}"#).previousResult)
    }

    @Test(arguments: [
        (#"{"ips":[{"address":"10.9.0.2/24"}]}"#, "10.9.0.2"),
        (
            #"{"interfaces":[{"name":"eth0"},{"name":"eth0","sandbox":"/n"}],"#
                + #""ips":[{"address":"10.9.0.2/24","interface":0},{"address":"10.9.0.3/32","interface":1}]}"#,
            "10.9.0.3"
        ),
        (#"{"ips":[{"address":"fd00::2/64"},{"address":"10.9.0.2/24"}]}"#, "10.9.0.2"),
        (#"{"ips":[{"address":"10.9.0.2/24","interface":4}]}"#, nil),
        (#"{"ips":[{"address":"10.9.0.2/24","interface":-1}]}"#, nil),
        (#"{"interfaces":[{"name":"net1","sandbox":"/n"}],"ips":[{"address":"10.9.0.2/24","interface":0}]}"#, nil),
        (#"{"ips":[{"address":"x"}]}"#, nil), ("{}", nil),
    ])
    func aChainedEndpointHasTheAddressOfItsInterface(_ text: String, _ address: String?) throws {
        #expect(ChainedInterface.address(of: "eth0", in: try Self.result(text))?.description == address)
    }

    @Test func theConflistOfAnotherNetworkIsExtended() throws {
        let text = #"{"name":"cloud","cniVersion":"0.4.0","plugins":[{"type":"p","deep":{"kept":[1]}},{"type":"q"}]}"#
        let network = try NetworkConfiguration(path: "f", contents: Array(text.utf8))
        #expect(
            try Conflist.chained(network, "/s")
                == #"{"cniVersion":"0.4.0","name":"cloud","plugins":[{"deep":{"kept":[1]},"type":"p"},{"type":"q"},"#
                + #"{"chaining-mode":"generic-veth","socket":"/s","type":"labrun-cni"}]}"# + "\n")
        let old = try NetworkConfiguration(path: "f", contents: Array(#"{"name":"cloud","type":"p"}"#.utf8))
        #expect(throws: InvalidConfiguration.self) { try Conflist.chained(old, "/s") }
    }

    @Test func chainingNeedsATargetAndAddressesOfAnotherPlugin() throws {
        func settings(_ values: [String: String]) throws -> AgentSettings {
            try AgentSettings(
                AgentConfig(
                    nodeName: "n", nodeAddress: "10.0.0.11", podCIDR: "192.168.1.0/24",
                    clusterPodCIDRs: ["192.168.0.0/16"], values: values, options: try DatapathOptions(values: values)))
        }
        #expect(try settings([:]).chains == false)
        #expect(try settings(["cni.chainingTarget": "cloud"]).chains)
        #expect(throws: DatapathError.self) { try settings(["cni.chainingMode": "generic-veth"]) }
        #expect(throws: DatapathError.self) {
            try settings([
                "cni.chainingTarget": "cloud", "ipam.mode": "eni", "eni.enabled": "true", "routingMode": "native",
            ])
        }
        for mode in ["aws-cni", "portmap", "flannel"] {
            let error = #expect(throws: OptionMistake.self) { try settings(["cni.chainingMode": mode]) }
            #expect("\(error.map { "\($0)" } ?? "")".contains("generic-veth takes any veth"))
        }
    }

    @Test(arguments: [
        ("", 6), ("[]", 6), ("{", 6), (#"{"cniVersion":"0.3.1","name":"a"}"#, 1), (#"{"name":"a"}"#, 1),
        (#"{"cniVersion":"1.0.0"}"#, 7), (#"{"cniVersion":"1.0.0","name":"../a"}"#, 7),
        (#"{"cniVersion":"1.0.0","name":5}"#, 6), (#"{"cniVersion":"1.0.0","name":"a","prevResult":7}"#, 6),
    ])
    func aBrokenConfigurationHasItsCode(_ text: String, _ code: Int) {
        let error = #expect(throws: CNIError.self) { try CNIConfiguration(parsing: text) }
        #expect(error?.code.rawValue == code)
    }

    @Test(arguments: [
        ("ADD", "", "/n", "eth0"), ("ADD", "-a", "/n", "eth0"), ("ADD", "a/b", "/n", "eth0"), ("ADD", "a", "", "eth0"),
        ("CHECK", "a", "", "eth0"), ("ADD", "a", "/n", ""), ("ADD", "a", "/n", "a/b"), ("ADD", "a", "/n", ".."),
        ("ADD", "a", "/n", "sixteen-letters-"), ("ADD", "a", "/n", "a b"), ("NONE", "a", "/n", "eth0"),
        ("", "a", "/n", "eth0"), ("DEL", "", "", "eth0"), ("ADD", "a", "/n", "a:1"),
    ])
    func aBrokenEnvironmentIsRefused(_ command: String, _ container: String, _ netns: String, _ interface: String) {
        let error = #expect(throws: CNIError.self) {
            try CNIEnvironment(
                command: command, containerID: container, netns: netns, interface: interface, arguments: "")
        }
        #expect(error?.code == .invalidEnvironment)
    }

    @Test func aRemovalNeedsNoNamespace() throws {
        let environment = try CNIEnvironment(
            command: "DEL", containerID: "a", netns: "", interface: "eth0", arguments: "")
        #expect(environment.command == .del)
    }

    @Test func errorsHaveTheSpecifiedForm() {
        let error = CNIError(.tryAgainLater, "not now", details: "why")
        #expect(error.json(version: "0.4.0") == #"{"cniVersion":"0.4.0","code":11,"details":"why","msg":"not now"}"#)
    }

    @Test func withoutAnAgentThePluginSaysTryAgainLater() {
        let configuration = #"{"cniVersion":"0.4.0","name":"labrun","socket":"/nonexistent/agent.sock"}"#
        for command in ["ADD", "DEL", "CHECK"] {
            let variables = [
                "CNI_COMMAND": command, "CNI_CONTAINERID": "a", "CNI_IFNAME": "eth0", "CNI_NETNS": "/run/netns/a",
            ]
            let reply = CNIPlugin.answer(variables, configuration)
            #expect(reply.exitStatus == 1)
            #expect(reply.output.contains(#""code":11"#) && reply.output.contains(#""cniVersion":"0.4.0""#))
        }
    }

    @Test func thePluginTellsItsVersionsWithoutAnAgent() {
        let reply = CNIPlugin.answer(["CNI_COMMAND": "VERSION"], "")
        #expect(reply.output == #"{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}"#)
        #expect(reply.exitStatus == 0)
    }

    @Test func failuresOfTheAgentHaveTheirCodes() {
        #expect(
            CNIError(mapping: DatapathError.addressesExhausted(pool: "p", inUse: 254), command: "ADD").code
                == .addressesExhausted)
        #expect(CNIError(mapping: DatapathError.kernel("x"), command: "ADD").code == .setupFailed)
        #expect(
            CNIError(mapping: AgentError(code: "invalid-arguments", message: ""), command: "ADD").code
                == .invalidEnvironment)
    }

    @Test func theConflistNamesPluginAndSocket() {
        #expect(
            Conflist.text(socketPath: "/run/x.sock")
                == #"{"cniVersion":"1.0.0","name":"labrun","plugins":[{"socket":"/run/x.sock","type":"labrun-cni"}]}"#
                + "\n")
    }

    @Test func interfaceNamesFitTheKernelAndAreOurs() {
        let key = AttachmentKey(containerID: String(repeating: "f", count: 64), interface: "eth0")
        let name = EndpointNaming.hostInterface(key)
        #expect(name.utf8.count == 15 && EndpointNaming.isHostInterface(name))
        #expect(!EndpointNaming.isHostInterface("lxcbr0") && !EndpointNaming.isHostInterface("lxcABCDEF012345"))
        #expect(EndpointNaming.mac(key, host: true) != EndpointNaming.mac(key, host: false))
        #expect(EndpointNaming.mac(key, host: true).hasPrefix("02:"))
    }

    @Test func noConfigurationTraps() {
        var generator = SeededGenerator(seed: 11)
        let seed = Array(
            #"{"cniVersion":"1.0.0","name":"labrun","prevResult":{"ips":[{"address":"1.2.3.4/32","interface":1}]}}"#
                .utf8)
        var read = 0
        for _ in 0..<2000 {
            var bytes = seed
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            if (try? CNIConfiguration(parsing: String(decoding: bytes, as: UTF8.self))) != nil { read += 1 }
        }
        #expect((50..<1950).contains(read), "\(read) of 2000 were read")
    }
}
