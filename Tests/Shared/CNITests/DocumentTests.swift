import JSON
import Testing

@testable import CNI

@Suite struct DocumentTests {
    @Test func whatAPluginDoesNotReadIsKept() throws {
        let text = #"{"cniVersion":"1.0.0","name":"a","prevResult":{"ips":[{"address":"10.0.0.2/24","x":1}],"y":true}}"#
        let configuration = try CNIConfiguration(parsing: text)
        #expect(configuration.previousResult?.ips?.first?.address == "10.0.0.2/24")
        let previous = configuration.document["prevResult"]
        #expect(previous?["y"] == .bool(true))
        #expect(previous?["ips"]?.elements?.first?["x"]?.integerValue == 1)
        let again: CNIResult? = try previous?.decoded()
        #expect(again == configuration.previousResult)
    }

    @Test func aListKeepsItsOrder() throws {
        let text = #"{"name":"n","cniVersion":"1.0.0","plugins":[{"type":"a","k":1},{"type":"b"}]}"#
        let list = try NetworkConfiguration(path: "f", contents: Array(text.utf8))
        #expect(list.plugins.map { $0["type"]?.text } == ["a", "b"])
        let document = try list.document(for: list.plugins[1], previous: .object(["ips": .array([])]))
        let configuration = try CNIConfiguration(parsing: String(decoding: document, as: UTF8.self))
        #expect(configuration.name == "n" && configuration.previousResult?.ips == [])
    }

    @Test func aPluginGetsWhatItsCapabilitiesAskFor() throws {
        let text = """
            {"name":"n","cniVersion":"1.0.0","plugins":[
              {"type":"portmap","capabilities":{"portMappings":true,"bandwidth":true},"snat":true},
              {"type":"off","capabilities":{"portMappings":false}},{"type":"odd","capabilities":["portMappings"]},
              {"type":"none","runtimeConfig":{"own":1}}]}
            """
        let list = try NetworkConfiguration(path: "f", contents: Array(text.utf8))
        let mappings = JSONValue.array([.object(["hostPort": .integer(53), "protocol": .string("udp")])])
        let documents = try list.plugins.map { plugin in
            try JSONText.value(of: try list.document(for: plugin, previous: nil, runtime: ["portMappings": mappings]))
        }
        #expect(documents[0]["runtimeConfig"] == .object(["portMappings": mappings]))
        #expect(documents[0]["snat"] == .bool(true))
        #expect(documents[1]["runtimeConfig"] == nil && documents[2]["runtimeConfig"] == nil)
        #expect(documents[3]["runtimeConfig"]?["own"] == .integer(1))
        for document in documents { #expect(document["capabilities"] == nil) }
        let bare = try list.document(for: list.plugins[0], previous: nil)
        #expect(try JSONText.value(of: bare)["runtimeConfig"] == nil)
    }

    /// A byte changed, cut or grown: an error or a value, never a trap.
    @Test func brokenDocumentsNeverTrap() throws {
        let text = Array(#"{"name":"n","cniVersion":"1.0.0","plugins":[{"type":"a","k":[1,-2.5,null,"é"]}]}"#.utf8)
        var state: UInt64 = 7
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var (lists, configurations) = (0, 0)
        for _ in 0..<3000 {
            var bytes = text
            for _ in 0...random(3) { bytes[random(bytes.count)] = UInt8(random(256)) }
            bytes = Array(bytes.prefix(1 + random(bytes.count)))
            if let list = try? NetworkConfiguration(path: "f", contents: bytes) {
                lists += 1
                #expect(!list.plugins.isEmpty)
            }
            if (try? CNIConfiguration(parsing: String(decoding: bytes, as: UTF8.self))) != nil { configurations += 1 }
        }
        #expect((1..<3000).contains(lists), "\(lists) of 3000 were lists")
        #expect((1..<3000).contains(configurations), "\(configurations) of 3000 were configurations")
    }
}
