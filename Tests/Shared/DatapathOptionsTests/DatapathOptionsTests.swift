import DatapathOptions
import Foundation
import Testing

@Suite struct DatapathOptionsTests {
    /// A key without an entry would be taken for unknown, an entry without a key would act on nothing.
    @Test func theCatalogueHasEveryOptionAndNoOther() throws {
        let tree = try JSONDecoder().decode(OptionTree.self, from: try JSONEncoder().encode(DatapathOptions()))
        #expect(Set(OptionCatalogue.keys.map(\.name)) == Set(tree.leaves.keys))
        #expect(Set(OptionCatalogue.keys.map(\.name)).count == OptionCatalogue.keys.count)
    }

    @Test func everyActingValueIsOneOfItsType() {
        for key in OptionCatalogue.keys {
            guard case .only(let values, let reason) = key.support else { continue }
            #expect(!reason.isEmpty && !values.isEmpty)
            for value in values { #expect(OptionCatalogue.mistake(name: key.name, value: value) == nil, "\(key.name)") }
        }
    }

    /// Every value that acts reaches the typed options.
    @Test func everyActingValueIsTaken() throws {
        for key in OptionCatalogue.keys {
            let values: [String]
            switch (key.support, key.type) {
            case (.only(let some, _), _): values = some
            case (_, .flag): values = ["true", "false"]
            case (_, .choice(let names)): values = names
            case (_, .choices(let names)): values = ["", names.joined(separator: ",")]
            case (_, .integer(let range)): values = ["\(range.lowerBound)", "\(range.upperBound)"]
            case (_, .network): values = ["", "10.0.0.0/8"]
            case (_, .networks): values = ["", "10.0.0.0/8", "{10.0.0.0/8, 192.168.0.0/16}"]
            case (_, .interfaces): values = ["", "eth0", "eth0,eth+"]
            case (_, .text): values = [""]
            }
            for value in values {
                let options = try DatapathOptions(values: [key.name: value])
                let tree = try JSONDecoder().decode(OptionTree.self, from: try JSONEncoder().encode(options))
                let read: OptionTree? =
                    switch (tree.leaves[key.name], key.type.read(value)) {
                    case (.number(let number), .text): .number(number)
                    case (_, let read): read
                    }
                #expect(tree.leaves[key.name] == read, "\(key.name)=\(value)")
            }
        }
    }

    @Test(arguments: [
        ("ipv6.enabled", "true", OptionMistake.Reason.unsupported), ("routingMode", "tunel", .malformed),
        ("gatewayAPI.enabled", "true", .unsupported), ("hubble.relay.enabled", "true", .unsupported),
        ("image.repository", "x", .unsupported), ("bpf.Masquerade", "true", .unknown),
        ("ipam.operator", "x", .unknown), ("tunnelPort", "70000", .malformed), ("debug.enabled", "yes", .malformed),
        ("ipam.Operator.clusterPoolIPv4MaskSize", "24", .unknown), ("gatewayAPIx", "true", .unknown),
    ])
    func mistakes(_ name: String, _ value: String, _ reason: OptionMistake.Reason) throws {
        let mistake = try #require(OptionCatalogue.mistake(name: name, value: value))
        #expect(mistake.reason == reason)
        #expect(mistake.description.contains(name) && mistake.name == name)
        #expect(throws: mistake) { try DatapathOptions(values: [name: value]) }
    }

    @Test func whatAsksForNothingIsTaken() {
        for (name, value) in [("gatewayAPI.hostNetwork.enabled", "false"), ("hubble.enabled", "false")] {
            #expect(OptionCatalogue.mistake(name: name, value: value) == nil)
        }
    }

    @Test(arguments: [
        ("", OptionTree.list([])), ("eth0", .list(["eth0"])), ("{eth0,eth1}", .list(["eth0", "eth1"])),
        ("eth0, eth1", .list(["eth0", "eth1"])), ("a/b", nil), ("aninterfacenametoolong", nil),
    ])
    func interfaceLists(_ text: String, _ expected: OptionTree?) {
        #expect(OptionType.interfaces.read(text) == expected)
    }

    @Test(arguments: [
        ("10.0.0.0/8", true), ("10.0.0.0/33", false), ("10.0.0/8", false), ("10.0.0.256/8", false), ("10.0.0.0", false),
        ("/", false), ("1.2.3.4/", false), ("1.2.3.4/-1", false), ("fd00::/8", false), ("", true),
    ])
    func networks(_ text: String, _ valid: Bool) {
        #expect((OptionType.network.read(text) != nil) == valid)
    }

    @Test func historicReplacementModes() {
        typealias Mode = DatapathOptions.KubeProxyReplacement
        #expect(Mode.allCases.filter(\.isComplete) == [.true, .strict])
        #expect(Mode.allCases.filter(\.isOff) == [.false, .disabled])
    }
}
