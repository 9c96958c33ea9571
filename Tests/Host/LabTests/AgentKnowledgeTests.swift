import KubeObjects
import ServedObjects
import Testing

@testable import Lab

@Suite struct AgentKnowledgeTests {
    private let wanted = AgentKnowledge(
        nodes: ["node1", "node2"], pods: ["192.168.1.9", "192.168.2.9"],
        objects: ["services": ["default/web": "1", "default/db": "2"], "namespaces": ["default": "3"]])

    @Test func `who knows everything lacks nothing, whatever else it knows`() {
        #expect(wanted.missing(of: wanted) == nil)
        var more = wanted
        more.nodes.insert("node3")
        more.pods.insert("192.168.3.9")
        more.objects["pods"] = ["default/x": "4"]
        #expect(more.missing(of: wanted) == nil)
    }

    @Test func `what is lacking is named`() {
        var known = wanted
        known.nodes = ["node2"]
        known.pods = ["192.168.1.9"]
        known.objects["services"] = ["default/web": "1"]
        #expect(known.missing(of: wanted) == "nodes node1; pods at 192.168.2.9; services default/db")
    }

    @Test func `slices that are there with fewer endpoints are a lack, unless an agent does not count them`() {
        var all = wanted
        all.readyEndpoints = 20
        #expect(wanted.missing(of: all) == nil)
        var known = all
        known.readyEndpoints = 17
        #expect(known.missing(of: all) == "17 of 20 ready endpoints")
        #expect(all.missing(of: all) == nil && all.missing(of: wanted) == nil)
    }

    /// What was deleted, and is known still, is a change that has not come through.
    @Test func `objects that are gone are a lack, too`() {
        var known = wanted
        known.objects["services"]?["default/old"] = "5"
        #expect(known.missing(of: wanted) == "the end of services default/old")
        var none = wanted
        none.objects = [:]
        var nothing = wanted
        nothing.objects = ["services": [:], "namespaces": [:]]
        #expect(none.missing(of: nothing) == nil)
    }

    @Test func `numbers that differ are told before names`() {
        var counted = AgentKnowledge(counts: ["services": 2, "namespaces": 4])
        let all = counted
        counted.counts["services"] = 1
        #expect(counted.missing(of: all) == "1 of 2 services")
        counted.counts["services"] = 3
        #expect(counted.missing(of: all) == "3 of 2 services")
        #expect(all.missing(of: all) == nil)
    }

    @Test func `as many objects are not the same objects`() {
        var known = wanted
        known.objects["services"] = ["default/web": "1", "default/old": "2"]
        #expect(known.missing(of: wanted) == "services default/db; the end of services default/old")
        known.objects["services"] = ["default/web": "7", "default/db": "2"]
        #expect(known.missing(of: wanted) == "the present state of services default/web")
    }

    @Test func `not more names are told than one can read`() {
        var known = wanted
        known.objects["services"] = Dictionary(uniqueKeysWithValues: (10..<30).map { ("default/\($0)", "1") })
        known.objects["services"]?.merge(wanted.objects["services"] ?? [:]) { $1 }
        let words = known.missing(of: wanted)
        #expect(words?.hasSuffix("default/16, default/17 and 12 more") == true, "\(words ?? "")")
    }
}
