import AgentAPI
import Foundation
import KubeObjects
import Testing

@testable import Datapath

@Suite struct ObjectRequestTests {
    private func services(_ names: [String]) -> [Service] {
        names.map {
            Service(metadata: ObjectMeta(name: $0, namespace: "default"), spec: .init(ports: [.init(port: 80)]))
        }
    }

    @Test func theOutlineFindsMembers() throws {
        let line = Array(#" {"params":{"kind":"services","items":[{}, 1],"more":null},"method":"objects.set"} "#.utf8)
        let outline = try RequestOutline(line)
        #expect(outline.method == "objects.set")
        let parameters = try #require(outline.parameters)
        #expect(parameters.keys.sorted() == ["items", "kind", "more"])
        let items = try #require(parameters["items"])
        #expect(String(decoding: line[items], as: UTF8.self) == "[{}, 1]")
    }

    @Test(arguments: [
        #"{"method":"status"}"#, #"{"method":"status","params":null}"#,
    ])
    func parametersMayBeMissing(text: String) throws {
        let outline = try RequestOutline(Array(text.utf8))
        #expect(outline.method == "status")
        #expect(outline.parameters == nil)
    }

    @Test(arguments: [
        "", "{}", #"{"params":{}}"#, #"{"method":1}"#, #"{"method":"status"}x"#, #"{"method":"a","params":[]}"#,
    ])
    func whatIsUnusualIsLeftToTheDecoder(text: String) {
        #expect(throws: UnreadableValue.self) { try RequestOutline(Array(text.utf8)) }
    }

    @Test func objectsComeWithTheirTexts() throws {
        let changes = ObjectChanges(services(["a", "b", "c"]), removed: [ObjectKey(namespace: "default", name: "d")])
        let line = Array(try JSONEncoder().encode(AgentRequest(.changeObjects, changes)))
        let outline = try RequestOutline(line)
        let given = try GivenObjects<Service>(line, try #require(outline.parameters))
        #expect(given.items == changes.items)
        #expect(given.removed == changes.removed)
        for (item, text) in zip(given.items, given.texts) {
            #expect(try JSONDecoder().decode(Service.self, from: Data(text)) == item)
        }
        let some = ObjectChanges([changes.items[0], changes.items[2]], removed: [])
        #expect(given.texts(of: some) == [given.texts[0], given.texts[2]])
    }

    @Test func textsAreKeptAsTheyCame() throws {
        let directory = NSTemporaryDirectory() + "object-texts-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let text = #"{"metadata":{"name":"a","namespace":"default","generation":7},"spec":{"ports":[{"port":80}]}}"#
        let line = Array(#"{"method":"objects.change","params":{"kind":"services","items":[\#(text)]}}"#.utf8)
        let outline = try RequestOutline(line)
        let given = try GivenObjects<Service>(line, try #require(outline.parameters))
        var store = try ObjectStore(directory: directory)
        try store.append(ObjectChanges(given.items, removed: []), texts: given.texts, to: [:])
        #expect(try String(contentsOfFile: directory + "/services.jsonl", encoding: .utf8) == "{\"set\":\(text)}\n")
        var again = try ObjectStore(directory: directory)
        #expect(try again.load().services == [given.items[0].key: given.items[0]])
    }

    @Test func aServiceChangesWithItsSlices() {
        func slice(_ name: String, of service: String?) -> EndpointSlice {
            EndpointSlice(
                metadata: ObjectMeta(
                    name: name, namespace: "default",
                    labels: service.map { [EndpointSlice.serviceNameLabel: $0] } ?? [:]))
        }
        func key(_ name: String) -> ObjectKey { ObjectKey(namespace: "default", name: name) }
        var known: [ObjectKey: EndpointSlice] = [:]
        var index = SliceIndex()
        func set(_ slices: [EndpointSlice], removing removed: [ObjectKey] = []) -> Set<ObjectKey> {
            for key in removed { known[key] = nil }
            for slice in slices { known[slice.key] = slice }
            return index.follow(Set(slices.map(\.key) + removed), known)
        }
        #expect(set([slice("1", of: "a"), slice("2", of: "a"), slice("3", of: nil)]) == [key("a")])
        #expect(index.slices(of: key("a")) == [key("1"), key("2")])
        #expect(set([slice("1", of: "b")]) == [key("a"), key("b")])
        #expect(index.slices(of: key("a")) == [key("2")])
        #expect(index.slices(of: key("b")) == [key("1")])
        #expect(set([slice("1", of: "b")]) == [key("b")])
        #expect(set([], removing: [key("1"), key("2"), key("3")]) == [key("a"), key("b")])
        #expect(index == SliceIndex())
    }
}
