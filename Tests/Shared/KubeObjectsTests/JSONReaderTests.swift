import Foundation
import Hashing
import Testing

@testable import KubeObjects

@Suite struct JSONReaderTests {
    private func skips(_ text: String) -> Bool {
        (try? JSONReader.read(Array(text.utf8)) { reader throws(UnreadableValue) in try reader.skip() }) != nil
    }

    @Test(arguments: [
        "null", "true", "false", "0", "-1", "12.5", "1e9", "-0.1E-7", "\"\"", "\"a\\u00e9\\n\\\"\"", "[]", "{}",
        " [ 1 , 2 ] ",
        "{\"a\":{\"b\":[null,{}]}}", "\"\\ud83d\\ude00\"",
    ])
    func passesOverWhatIsJSON(text: String) { #expect(skips(text)) }

    @Test(arguments: [
        "", " ", "nul", "truefalse", "01", "-", "1.", ".5", "1e", "+1", "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud83d\"",
        "\"\n\"", "[",
        "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":1}}", "1 2", "\"\\",
        String(repeating: "[", count: 65) + String(repeating: "]", count: 65),
    ])
    func refusesWhatIsNot(text: String) { #expect(!skips(text)) }

    @Test(arguments: [
        ("[1,{\"a\":\"]}\"}] ,", 14), ("{\"a\\\"}\":[[]]}x", 13), ("\"a]\" ", 4), (" null", 5), ("[}", 2),
    ])
    func passesOverWithoutReading(text: String, end: Int) throws {
        try Array(text.utf8).withUnsafeBufferPointer {
            var reader = JSONReader($0)
            try reader.skipUnchecked()
            #expect(reader.offset == end)
        }
    }

    @Test(arguments: ["", "[", "{\"", "[\"\\", "[\"\\\"]", "nul", "]"])
    func refusesWhatDoesNotEnd(text: String) {
        Array(text.utf8).withUnsafeBufferPointer {
            var reader = JSONReader($0)
            #expect(throws: UnreadableValue.self) { try reader.skipUnchecked() }
        }
    }

    @Test(arguments: [
        ("\"plain\"", "plain"), ("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\u{8}\u{C}\n\r\t"),
        ("\"\\u0041\\ud83d\\ude00\"", "A😀"),
        ("\"é😀\"", "é😀"),
    ])
    func readsText(json: String, text: String) throws {
        #expect(try JSONReader.read(Array(json.utf8)) { reader throws(UnreadableValue) in try reader.string() } == text)
    }

    @Test func refusesTextThatIsNotUTF8() {
        #expect(throws: UnreadableValue.self) {
            try JSONReader.read([0x22, 0xFF, 0x22]) { reader throws(UnreadableValue) in try reader.string() }
        }
    }

    @Test(arguments: [
        ("0", 0), ("65535", 65535), ("65536", nil), ("-1", nil), ("1.0", nil), ("1e2", nil), ("00", nil), ("", nil),
    ])
    func readsPorts(json: String, port: Int?) {
        let read = try? JSONReader.read(Array(json.utf8)) { reader throws(UnreadableValue) in
            try reader.integer() as UInt16
        }
        #expect(read.map(Int.init) == port)
    }
}

/// `JSONReader` and `JSONDecoder` read the same values from the same text.
@Suite struct ObjectReadingTests {
    private static let slice = """
        {"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"web-abc12",
        "namespace":"default","uid":"0c5f",
        "labels":{"kubernetes.io\\/service-name":"web","a":"b"},"annotations":{"n":"line\\nfeed \\u00e9"},
        "generation":3,
        "managedFields":[{"manager":"kube-controller-manager","fieldsV1":{"f:ports":{}}}],"deletionTimestamp":null},
        "addressType":"IPv4","endpoints":[{"addresses":["192.168.2.1"],"conditions":{"ready":true,"serving":true,
        "terminating":false},"nodeName":"node1","targetRef":{"kind":"Pod","namespace":"default","name":"web-1",
        "uid":"77"},"zone":"a"},
        {"addresses":["192.168.2.2"],"conditions":null,"hostname":"two","nodeName":null,"targetRef":null},
        {"addresses":null}],
        "ports":[{"name":"http","protocol":"TCP","port":8080,"appProtocol":null},{"port":null},{"name":null,"port":53,
        "protocol":"UDP"}]}
        """
    private static let service = """
        {"metadata":{"name":"web","namespace":"default","creationTimestamp":"2026-11-21T17:00:00Z"},
        "spec":{"type":"LoadBalancer",
        "clusterIP":"10.100.0.1","clusterIPs":["10.100.0.1"],"ipFamilies":["IPv4"],"selector":{"app":"web"},
        "ports":[{"name":"http",
        "protocol":"TCP","port":80,"targetPort":"http","nodePort":30080,"appProtocol":"http"},{"port":81,
        "targetPort":8081,
        "nodePort":0},{"port":82}],"externalIPs":["203.0.113.9"],"externalName":null,"loadBalancerIP":"1.2.3.4",
        "loadBalancerSourceRanges":["10.0.0.0/8"],"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":
        {"timeoutSeconds":600}},"internalTrafficPolicy":"Local","externalTrafficPolicy":"Local",
        "healthCheckNodePort":30001,
        "allocateLoadBalancerNodePorts":true,"publishNotReadyAddresses":false},
        "status":{"loadBalancer":{"ingress":[{"ip":
        "203.0.113.10"},{"hostname":"lb.example","ports":[]}]},"conditions":[]}}
        """

    @Test func slicesAreWhatTheDecoderReads() throws {
        let text = Array(Self.slice.utf8)
        #expect(try read(text, EndpointSlice.self) == JSONDecoder().decode(EndpointSlice.self, from: Data(text)))
    }

    @Test func servicesAreWhatTheDecoderReads() throws {
        let text = Array(Self.service.utf8)
        #expect(try read(text, Service.self) == JSONDecoder().decode(Service.self, from: Data(text)))
    }

    /// `JSONEncoder` escapes slashes unless it is told otherwise, and the reader accepts that.
    @Test func whatTheEncoderWritesIsRead() throws {
        let slice = EndpointSlice(
            metadata: ObjectMeta(name: "web", namespace: "default", labels: [EndpointSlice.serviceNameLabel: "web"]))
        #expect(try read(Array(JSONEncoder().encode(slice)), EndpointSlice.self) == slice)
    }

    @Test func damagedSlicesAreNeverReadDifferently() { compareDamaged(Self.slice, EndpointSlice.self, seed: 1) }

    @Test func damagedServicesAreNeverReadDifferently() { compareDamaged(Self.service, Service.self, seed: 2) }

    private func read<Object: KubeObject>(_ bytes: [UInt8], _ type: Object.Type) throws(UnreadableValue) -> Object {
        try JSONReader.read(bytes) { reader throws(UnreadableValue) in try Object.read(&reader) }
    }

    /// Compares both readers on damaged text. If `JSONReader` accepts a text, `JSONDecoder` reads the same value from
    /// it or refuses it, since it also checks values that nobody reads.
    private func compareDamaged<Object: KubeObject>(_ text: String, _ type: Object.Type, seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let whole = Array(text.utf8)
        let fragments = [
            "null", "0", "-1", "65536", "\"\"", "{}", "[]", "\"\\u0000\"", ",", "1.0", "true", "\"name\":\"twice\",",
        ]
        .map { Array($0.utf8) }
        var taken = 0
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0...Int.random(in: 0...2, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0...3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...8, using: &random)))
                case 2: bytes.insert(contentsOf: fragments.randomElement(using: &random) ?? [], at: place)
                default: bytes.swapAt(place, Int.random(in: 0..<bytes.count, using: &random))
                }
            }
            guard let read = try? read(bytes, type) else { continue }
            taken += 1
            guard let decoded = try? JSONDecoder().decode(Object.self, from: Data(bytes)) else {
                Issue.record("read, but not decoded: \(String(decoding: bytes, as: UTF8.self))")
                return
            }
            if read != decoded {
                Issue.record("read differently: \(String(decoding: bytes, as: UTF8.self))")
                return
            }
        }
        #expect(taken > 1000)
    }
}
