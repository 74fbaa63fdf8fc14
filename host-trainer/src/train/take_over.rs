//! How a head begins with another one's weights, where the two do not give quite the same.
//!
//! A head is its numbers in the order of `params::read`; it ends with weight `[inputs, outputs]` and bias of the last
//! dense layer.

use anyhow::{Result, bail};
use shared_model::emotion::ClassSet;

use crate::target::Target;

/// Gives each class that the other head knows by name its weights there; the others keep those that they have.
///
/// `classes` are those of `other` and of `own`, in this order.
pub(super) fn classes(own: &mut [Vec<f32>], other: &[Vec<f32>], classes: [&ClassSet; 2]) -> Result<()> {
    let ([weight, bias], [other_weight, other_bias]) = (own, other) else {
        bail!("it is no emotion head");
    };
    let [theirs, ours] = classes;
    if weight.len() / ours.len() != other_weight.len() / theirs.len() {
        bail!("its dense layer has another number of inputs");
    }
    for (at, class) in ours.iter().enumerate() {
        let Some(from) = theirs.index(class) else { continue };
        bias[at] = other_bias[from];
        let rows = weight.chunks_exact_mut(ours.len());
        for (own, other) in rows.zip(other_weight.chunks_exact(theirs.len())) {
            own[at] = other[from];
        }
    }
    Ok(())
}

/// Takes a keypoint head over, its last layer rewritten so that the outputs become the same pixels.
///
/// `targets` are those of `other` and of `own`, in this order; only the outputs of a `linear` head can be shifted.
pub(super) fn points(own: &mut [Vec<f32>], other: &[Vec<f32>], targets: [&Target; 2], linear: bool) -> Result<()> {
    if own.len() != other.len() || own.iter().zip(other).any(|(own, other)| own.len() != other.len()) {
        bail!("it has other layers");
    }
    own.clone_from_slice(other);
    let [theirs, ours] = targets;
    if theirs == ours {
        return Ok(());
    }
    if !linear {
        bail!(
            "the losses differ, and a head that ends with ReLU cannot be converted: give the recipe that network's `loss`"
        );
    }
    let [.., weight, bias] = own else {
        bail!("it has no layers")
    };
    let scale = theirs.scale / ours.scale;
    for weight in weight.iter_mut() {
        *weight *= scale;
    }
    for ((bias, theirs), ours_at) in bias.iter_mut().zip(&theirs.mean).zip(&ours.mean) {
        *bias = *bias * scale + (theirs - ours_at) / ours.scale;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_taken_over_by_name_and_others_keep_their_weights() {
        let theirs = ClassSet::new(&["Angry", "Happy", "Sad"]).unwrap();
        let ours = ClassSet::new(&["happy", "Bored", "Angry"]).unwrap();
        // Two inputs.
        let other = [vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![7.0, 8.0, 9.0]];
        let mut own = [vec![-1.0, -2.0, -3.0, -4.0, -5.0, -6.0], vec![0.0; 3]];
        classes(&mut own, &other, [&theirs, &ours]).unwrap();
        assert_eq!(own[0], [2.0, -2.0, 1.0, 5.0, -5.0, 4.0]);
        assert_eq!(own[1], [8.0, 0.0, 7.0]);

        let narrow = [vec![1.0, 2.0, 3.0], vec![7.0, 8.0, 9.0]];
        assert!(classes(&mut own, &narrow, [&theirs, &ours]).is_err());
    }

    #[test]
    fn points_stay_where_they_are_when_the_target_changes() {
        let theirs = Target {
            mean: vec![40.0, 50.0],
            scale: 10.0,
        };
        let ours = Target {
            mean: vec![42.0, 47.0],
            scale: 4.0,
        };
        let pixels = |head: &[Vec<f32>], target: &Target, x: f32| -> Vec<f32> {
            let output = head[0].iter().zip(&head[1]).map(|(weight, bias)| weight * x + bias);
            let at = output.zip(&target.mean);
            at.map(|(output, mean)| mean + target.scale * output).collect()
        };
        let other = [vec![0.5, -0.25], vec![0.1, 0.2]];
        let mut own = [vec![0.0; 2], vec![0.0; 2]];
        points(&mut own, &other, [&theirs, &ours], true).unwrap();
        for x in [-1.0, 0.0, 3.0] {
            let (before, after) = (pixels(&other, &theirs, x), pixels(&own, &ours, x));
            let near = before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-4);
            assert!(near, "{before:?} became {after:?}");
        }
        let refused = points(&mut own, &other, [&theirs, &ours], false).unwrap_err();
        assert!(refused.to_string().contains("`loss`"), "{refused}");
        points(&mut own, &other, [&theirs, &theirs], false).unwrap();
        assert_eq!(own, other);
    }
}
