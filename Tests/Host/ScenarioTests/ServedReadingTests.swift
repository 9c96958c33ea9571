import Expectations
import JSON
import Observations
import ScenarioReading
import Testing

@testable import Scenario

/// Files of labs with a control plane, whose objects are the API server's to judge.
@Suite struct ServedReadingTests {
    private static func text(_ objects: String, _ step: String, controlPlane: Bool = true) -> String {
        """
        apiVersion: labrun.dev/v1alpha1
        kind: Scenario
        metadata: {name: x, title: A title}
        spec:
          lab: eks-overlay
          overrides: {nodes: {count: 2}, controlPlane: {enabled: \(controlPlane)}}
          timeline:
            - name: first
        \(ScenarioText.indented(step))
        ---
        \(objects)
        """
    }

    private static func parse(_ objects: String, _ step: String = expecting, controlPlane: Bool = true)
        -> ScenarioParser.Parsed
    {
        ScenarioParser(faults: testFaults, profiles: ScenarioLoader.labProfiles)
            .parse(Array(text(objects, step, controlPlane: controlPlane).utf8), file: "x.yaml")
    }

    private static let expecting = "expect: {diagnosis: {is: none}}"

    private static let web = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, namespace: shop}
        spec:
          replicas: 2
          template:
            metadata: {labels: {app: web}}
            spec: {nodeSelector: {disk: ssd}, containers: [{name: a, ports: [{containerPort: 9000}]}]}
        """

    @Test func `any object is taken as it is`() throws {
        let parsed = Self.parse(
            """
            apiVersion: stable.example.com/v1
            kind: CronTab
            metadata: {name: a.b, generation: 3, finalizers: [x.y/z]}
            spec: {cronSpec: "* * * * */5", mode: 0640, ratio: 1.5, off: false, none: ~, big: 12345678901234567890}
            """)
        #expect(parsed.problems == [])
        let manifest = try #require(parsed.scenario?.spec.served.first)
        #expect(manifest.apiVersion == "stable.example.com/v1" && manifest.kind == "CronTab" && manifest.name == "a.b")
        #expect(manifest.namespace == nil && manifest.group == "stable.example.com")
        #expect(manifest.place.hasPrefix("x.yaml:"))
        let spec = try #require(manifest.value?["spec"])
        #expect(spec["mode"] == .integer(416) && spec["ratio"] == .number(1.5) && spec["off"] == .bool(false))
        #expect(spec["none"] == .null && spec["cronSpec"] == .string("* * * * */5"))
        #expect(manifest.value?["metadata"]?["finalizers"] == .array([.string("x.y/z")]))
    }

    /// What a lab without a control plane refuses there.
    @Test func `without a control plane everything stays as it is`() {
        #expect(Self.parse(Self.web).problems == [])
        let refused = Self.parse(Self.web, controlPlane: false).problems.map(\.message)
        #expect(refused.contains { $0.hasPrefix("nodeSelector in pod's spec is not supported") }, "\(refused)")
        let crontab = "{apiVersion: stable.example.com/v1, kind: CronTab, metadata: {name: a}}"
        let unknown = Self.parse(crontab, controlPlane: false).problems.map(\.message)
        #expect(unknown.contains { $0.hasPrefix("unknown kind \"CronTab\"") }, "\(unknown)")
    }

    @Test(arguments: [
        ("{kind: ConfigMap, metadata: {name: a}}", "object has no \"apiVersion\""),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {}}", "has no \"name\""),
        ("{apiVersion: v1, kind: ConfigMap}", "object has no \"metadata\""),
        ("{apiVersion: v1, kind: 3, metadata: {name: a}}", "kind must be text"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {x: 3}}}", "put it in quotes"),
        (
            "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret}]}", "object has no \"metadata\""
        ),
    ])
    func `an object has a name`(_ object: String, _ message: String) {
        let problems = Self.parse(object).problems.map(\.message)
        #expect(problems.contains { $0.contains(message) }, "\(problems)")
    }

    @Test func `an object is given once`() {
        let problems = Self.parse(Self.web + "\n---\n" + Self.web).problems.map(\.message)
        #expect(problems == ["Deployment shop/web is given twice"])
    }

    /// One file for both: what the harness lets a file leave out and a server does not.
    @Test func `a workload is completed`() throws {
        let parsed = Self.parse(
            """
            apiVersion: v1
            kind: Pod
            metadata: {name: alone}
            ---
            \(Self.web)
            """)
        let served = try #require(parsed.scenario).spec.served
        let pod = try #require(served[0].value)
        #expect(try JSONPath(".spec.containers[*].image").rendered(in: pod) == "echo")
        let web = try #require(served[1].value)
        #expect(try JSONPath(".spec.selector.matchLabels.app").rendered(in: web) == "web")
        #expect(try JSONPath(".spec.template.spec.containers[0].image").rendered(in: web) == "echo")
        #expect(try JSONPath(".spec.template.spec.nodeSelector.disk").rendered(in: web) == "ssd")
        #expect(try JSONPath(".spec.template.spec.containers[0].ports[0].protocol").rendered(in: web) == "TCP")
    }

    @Test(arguments: [
        (
            "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 1}, {port: 2, protocol: UDP}]}}",
            "TCP UDP"
        ),
        (
            """
            {apiVersion: batch/v1, kind: CronJob, metadata: {name: a}, spec: {jobTemplate: {spec: {template: {spec:
              {initContainers: [{name: b, ports: [{containerPort: 1}]}]}}}}}}
            """, "TCP"
        ),
        (
            """
            {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {template: {spec:
              {containers: [{name: b, ports: [{containerPort: 1}, 3]}]}}}}
            """, "TCP"
        ),
        ("{apiVersion: a.b/v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 1}]}}", nil),
        ("{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: 3}}", nil),
        ("{apiVersion: v1, kind: Service, metadata: {name: a}, spec: [1]}", nil),
    ])
    func `ports have a protocol`(_ object: String, _ protocols: String?) throws {
        let value = try #require(Self.parse(object).scenario?.spec.served.first?.value)
        #expect(try JSONPath("..protocol").rendered(in: value) == protocols)
    }

    @Test(arguments: [
        ("shop/web-1", nil), ("shop/web-2", nil), ("shop/web-3", "no endpoint \"shop/web-3\""),
        ("vpc/control-plane", nil),
        ("node/node2", nil), ("default/web-1", "no endpoint"),
    ])
    func `pods have the names of the matrix`(_ id: String, _ problem: String?) {
        let step = "expect: {matrix: [{from: \(id), to: {kind: node}, outcome: open}]}"
        let problems = Self.parse(Self.web, step).problems.map(\.message)
        #expect(problems.isEmpty == (problem == nil), "\(problems)")
        if let problem { #expect(problems.first?.hasPrefix(problem) == true, "\(problems)") }
    }

    @Test(arguments: [
        ("{apiVersion: v1, kind: Pod, metadata: {name: web}}", ["default/web"]),
        (
            "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {replicas: 2, template: {}}}",
            ["default/db-0", "default/db-1"]
        ),
        (
            "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: log}, spec: {template: {}}}",
            ["default/log-node1", "default/log-node2"]
        ),
        (
            "{apiVersion: batch/v1, kind: Job, metadata: {name: once}, spec: {parallelism: 2, template: {}}}",
            ["default/once-1", "default/once-2"]
        ),
        (
            "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a}, spec: {template: {spec: {hostNetwork: true}}}}",
            []
        ),
        (
            "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}",
            ["service/default/web:80"]
        ),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {replicas: \"3\"}}", []),
    ])
    func `objects bring endpoints`(_ object: String, _ ids: [String]) throws {
        let parsed = Self.parse(object)
        let manifest = try #require(parsed.scenario?.spec.served.first)
        let value = try #require(manifest.value)
        let endpoints = ServedObject(manifest, value).endpoints(nodes: ["node1", "node2"], echo: EchoPort(nil))
        #expect(endpoints.map(\.id) == ids)
    }

    /// A custom resource's controller may make any pod.
    @Test func `with a custom resource any pod may be there`() {
        let step = "expect: {matrix: [{from: shop/made-by-operator, to: {kind: node}, outcome: open}]}"
        #expect(!Self.parse(Self.web, step).problems.isEmpty)
        let custom = "{apiVersion: db.example.com/v1, kind: Database, metadata: {name: a}}"
        #expect(Self.parse(custom, step).problems == [])
    }

    @Test func `steps change the server's objects`() throws {
        let parsed = Self.parse(
            Self.web,
            """
            apply:
              - {apiVersion: v1, kind: Namespace, metadata: {name: b}}
            delete: {kind: CronTab, name: first.of-all, namespace: shop, apiVersion: stable.example.com/v1}
            scale:
              - {deployment: web, namespace: shop, replicas: 5}
              - {kind: StatefulSet, name: db, replicas: 0}
            expect: {matrix: [{from: shop/web-5, to: {kind: node}, outcome: open}]}
            """)
        #expect(parsed.problems == [])
        let actions = try #require(parsed.scenario?.spec.timeline.first).actions
        guard actions.count == 4, case .applyServed(let applied) = actions[0],
            case .deleteServed(let gone) = actions[1],
            case .scaleServed(let web, 5) = actions[2], case .scaleServed(let db, 0) = actions[3]
        else {
            Issue.record("\(actions)")
            return
        }
        #expect(applied.map(\.words) == ["Namespace b"])
        #expect(gone.words == "CronTab shop/first.of-all of stable.example.com/v1")
        #expect(web == ObjectQuery(kind: "Deployment", namespace: "shop", name: "web"))
        #expect(db == ObjectQuery(kind: "StatefulSet", name: "db"))
        #expect(actions[0].words([]) == "apply Namespace b" && actions[3].words([]) == "scale StatefulSet db to 0")
    }

    @Test(arguments: [
        "delete: {kind: CronTab, name: first}", "delete: {kind: Service, name: a, apiVersion: v1}",
        "scale: {kind: StatefulSet, name: db, replicas: 2}",
        "expect: {objects: [{kind: Pod, name: a, absent: true}]}", "expect: {events: [{reason: BackOff}]}",
    ])
    func `what needs a server is refused without one`(_ step: String) {
        let pod = "{apiVersion: v1, kind: Pod, metadata: {name: a}}"
        let more = step.hasPrefix("expect") ? step : step + "\n" + Self.expecting
        #expect(Self.parse(pod, more).problems == [])
        #expect(!Self.parse(pod, more, controlPlane: false).problems.isEmpty)
    }

    @Test func `the schema takes what either kind of lab takes`() throws {
        let schema = SchemaValidator(root: PublishedSchema.scenario.document(faults: testFaults))
        func accepts(_ workload: String) throws -> Bool {
            let text = """
                {apiVersion: labrun.dev/v1alpha1, kind: Scenario, metadata: {name: x, title: y}, spec: {lab: z,
                workloads: [\(workload)], timeline: [{name: a, expect: {diagnosis: {is: none}}}]}}
                """
            return try schema.accepts(try #require(YAMLReading(Array(text.utf8), file: "x").documents.first).json)
        }
        #expect(try accepts("{apiVersion: example.com/v1, kind: Any, metadata: {name: a.b}, spec: {x: 1}}"))
        #expect(try accepts("{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {tolerations: [{}]}}"))
        #expect(try !accepts("{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: 3}]}}"))
        #expect(try !accepts("{apiVersion: example.com/v1, kind: Any, metadata: {}}"))
        #expect(try !accepts("{kind: Any, metadata: {name: a}}"))
    }
}
