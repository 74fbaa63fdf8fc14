use super::*;
use testing::network;

const OUTPUTS: [(&str, usize); 1] = [("emotion", 5)];

fn linear() -> ModelProto {
    network::linear("emotion", 5)
}

#[test]
fn accepts_a_plain_network() {
    assert_eq!(check(&linear(), &Signature::crop(&OUTPUTS)), Ok(()));
}

#[test]
fn refuses_each_kind_of_damage() {
    type Damage = fn(&mut GraphProto);
    let cases: [(&str, Damage); 14] = [
        ("unknown operator", |g| g.node[0].op_type = "Loop".into()),
        ("unknown operator", |g| g.node[0].domain = "com.example".into()),
        ("nodes", |g| g.node.clear()),
        ("nothing before it computes", |g| g.node[0].input[0] = "nowhere".into()),
        ("nothing before it computes", |g| g.node.reverse()),
        ("computed twice", |g| g.node[1].output[0] = g.node[0].output[0].clone()),
        ("does not fit", |g| {
            g.initializer[0].float_data.pop();
        }),
        ("does not fit", |g| g.initializer[0].raw_data = vec![1]),
        ("negative", |g| g.initializer[0].dims[0] = -1),
        ("too large", |g| g.initializer[0].dims = vec![i64::MAX, i64::MAX]),
        ("another file", |g| g.initializer[0].data_location = Some(1)),
        ("the input must be", |g| g.input[0].name = "image".into()),
        ("nothing computes", |g| g.output[0].name = "keypoints".into()),
        ("no output", |g| g.output.clear()),
    ];
    for (expected, damage) in cases {
        let mut model = linear();
        damage(model.graph.as_mut().unwrap());
        let error = check(&model, &Signature::crop(&OUTPUTS)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} does not speak of {expected}");
    }
}

#[test]
fn refuses_pools_out_of_range() {
    let mut model = linear();
    let attribute = onnx::AttributeProto {
        name: "strides".into(),
        ints: vec![0, 2],
        ..Default::default()
    };
    model.graph.as_mut().unwrap().node[0].attribute.push(attribute);
    assert!(
        check(&model, &Signature::crop(&OUTPUTS))
            .unwrap_err()
            .to_string()
            .contains("strides")
    );
}

#[test]
fn refuses_outputs_that_are_not_there() {
    assert!(
        check(&linear(), &Signature::crop(&[("keypoints", 30)]))
            .unwrap_err()
            .to_string()
            .contains("keypoints")
    );
    assert!(check(&ModelProto::default(), &Signature::crop(&OUTPUTS)).is_err());
}

#[test]
fn graphs_and_tensors_that_cannot_be_are_refused() {
    type Damage = fn(&mut GraphProto);
    let attribute = |graph: &mut GraphProto, name: &str, value: i64| {
        graph.node[0].attribute.push(onnx::AttributeProto {
            name: name.into(),
            ints: vec![value, 2],
            ..Default::default()
        });
    };
    let cases: [(&str, Damage); 12] = [
        // Circles, of all nodes and of one.
        ("nothing before it computes", |g| {
            let last = g.node[g.node.len() - 1].output[0].clone();
            g.node[0].input[0] = last;
        }),
        ("nothing before it computes", |g| {
            g.node[1].input[0] = g.node[1].output[0].clone();
        }),
        ("nodes", |g| g.node = vec![g.node[0].clone(); 200_000]),
        ("too large", |g| g.initializer[0].dims[0] = 1 << 62),
        ("too large", |g| {
            g.initializer[0].dims = vec![1 << 33, 1 << 33, 1 << 33, 2];
        }),
        ("negative", |g| g.initializer[0].dims[0] = i64::MIN),
        ("does not fit", |g| g.initializer[0].dims[0] = 0),
        ("too many axes", |g| g.initializer[0].dims = vec![1; 1000]),
        // Data in a file of the machine, up the directories, and without end.
        ("another file", |g| {
            g.initializer[0].data_location = Some(1);
            g.initializer[0].raw_data.clear();
        }),
        ("no output", |g| g.node[0].output.clear()),
        ("one input", |g| g.input.clear()),
        ("one input", |g| g.input.push(g.input[0].clone())),
    ];
    for (expected, damage) in cases {
        let mut model = linear();
        damage(model.graph.as_mut().unwrap());
        let error = check(&model, &Signature::crop(&OUTPUTS)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} does not speak of {expected}");
    }
    for (name, value) in [
        ("kernel_shape", 1 << 40),
        ("strides", -1),
        ("dilations", i64::MAX),
        ("pads", i64::MIN),
    ] {
        let mut model = linear();
        attribute(model.graph.as_mut().unwrap(), name, value);
        let error = check(&model, &Signature::crop(&OUTPUTS)).unwrap_err().to_string();
        assert!(error.contains(name), "{error} does not speak of {name}");
    }
}
