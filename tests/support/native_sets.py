"""Small made-up copies of the published sets of small faces: every person has a colour, every image its own noise."""

import numpy as np
from PIL import Image
from scipy.io import savemat

COLOURS = {str(person): np.random.default_rng(person).uniform(40, 215, 3) for person in range(1, 9)}


def write_image(path, person, seed, width=12, height=15):
    """A noisy picture of a person's colour."""
    noise = np.random.default_rng(seed).normal(0, 25, (height, width, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((COLOURS[str(person)] + noise).clip(0, 255).astype(np.uint8)).save(path)


def cells(names):
    """A column of strings, as MATLAB saves it."""
    column = np.empty((len(names), 1), object)
    column[:, 0] = names
    return column


def write_tinyface(root):
    """Two gallery images of person 1, one each of 2 and 3; three distractors; four probes."""
    test = root / 'Testing_Set'
    gallery = [('1_1.jpg', 1), ('1_2.jpg', 1), ('2_1.jpg', 2), ('3_1.jpg', 3)]
    probes = [('1_3.jpg', 1), ('2_2.jpg', 2), ('3_2.jpg', 3), ('3_3.jpg', 3)]
    for seed, (name, person) in enumerate(gallery):
        write_image(test / 'Gallery_Match' / name, person, seed)
    for seed, (name, person) in enumerate(probes, 10):
        write_image(test / 'Probe' / name, person, seed, 9 + seed % 3, 11)
    for seed in range(20, 23):
        write_image(test / 'Gallery_Distractor' / f'{seed}.jpg', 4 + seed % 3, seed)
    for file, key, rows in (('gallery_match', 'gallery', gallery), ('probe', 'probe', probes)):
        names, who = zip(*rows)
        content = {f'{key}_set': cells(names), f'{key}_ids': np.array(who, np.uint16)[:, None]}
        savemat(test / f'{file}_img_ID_pairs.mat', content)
    return root


def write_survface(root):
    """Persons 1 to 3 in the gallery, with a probe each and one more; four strangers; three and four pairs."""
    test = root / 'Face_Identification_Test_Set'
    gallery = [(f'{person}_cam1_{image}.jpg', person) for person in (1, 2, 3) for image in (1, 2)]
    mated = [('1_cam2_1.jpg', 1), ('2_cam2_1.jpg', 2), ('3_cam2_1.jpg', 3), ('3_cam3_1.jpg', 3)]
    for seed, (name, person) in enumerate(gallery):
        write_image(test / 'gallery' / name, person, seed)
    for seed, (name, person) in enumerate(mated, 10):
        write_image(test / 'mated_probe' / name, person, seed, 18, 20)
    for seed in range(20, 24):
        write_image(test / 'unmated_probe' / f'{seed}.jpg', 4 + seed % 4, seed)
    for key, rows in (('gallery', gallery), ('mated_probe', mated)):
        names, who = zip(*rows)
        content = {f'{key}_set': cells(names), f'{key}_ids': np.array(who, np.uint16)[:, None]}
        savemat(test / f'{key}_img_ID_pairs.mat', content)
    verification = root / 'Face_Verification_Test_Set'
    for person in range(1, 5):
        for image in (1, 2):
            write_image(verification / 'verification_images' / f'{person}_{image}.jpg', person, 30 + 2 * person + image)
    pairs = {
        'positive': [('1_1.jpg', '1_2.jpg'), ('2_1.jpg', '2_2.jpg'), ('4_1.jpg', '4_2.jpg')],
        'negative': [('1_1.jpg', '2_2.jpg'), ('2_1.jpg', '3_2.jpg'), ('3_1.jpg', '4_2.jpg'), ('4_1.jpg', '1_2.jpg')],
    }
    for kind, rows in pairs.items():
        content = np.empty((len(rows), 2), object)
        content[:] = rows
        savemat(verification / f'{kind}_pairs_names.mat', {f'{kind}_pairs_names': content})
    return root


def write_scface(root):
    """Three persons, two cameras of five, three distances, the nearest with the largest faces; and infrared."""
    for person in (1, 2, 3):
        write_image(root / 'mugshot_frontal_cropped_all' / f'{person:03d}_frontal.JPG', person, person, 130, 150)
        for camera in (1, 5):
            for distance in (1, 2, 3):
                name = f'{person:03d}_cam{camera}_{distance}.jpg'
                folder = root / f'surveillance_cameras_distance_{distance}' / f'cam_{camera}'
                write_image(folder / name, person, 10 * person + camera + distance, 8 * distance, 9 * distance)
        write_image(root / 'surveillance_cameras_IR_cam8' / f'{person:03d}_cam8.jpg', person, 99)
    return root


def write_ijb(root):
    """Five templates: 10 and 11 of person 1, 20 and 21 of person 2, 30 of person 3; 10 has a film of two frames."""
    rows = [('1.jpg', 10, 1), ('2.jpg', 10, 1), ('3.jpg', 10, 2), ('4.jpg', 11, 3), ('5.jpg', 20, 4), ('6.jpg', 21, 5)]
    rows += [('7.jpg', 30, 6), ('8.jpg', 30, 7)]
    meta = root / 'meta'
    meta.mkdir(parents=True)
    points = [30, 40, 50, 40, 40, 50, 32, 62, 48, 62]
    for seed, (name, template, _) in enumerate(rows):
        write_image(root / 'loose_crop' / name, template // 10, seed, 80, 100)
    (meta / 'ijbc_face_tid_mid.txt').write_text(''.join(f'{name} {tid} {mid}\n' for name, tid, mid in rows))
    five = ''.join(f'{name} {" ".join(map(str, points))} 0.99\n' for name, *_ in rows)
    (meta / 'ijbc_name_5pts_score.txt').write_text(five)
    (meta / 'ijbc_template_pair_label.txt').write_text('10 11 1\n20 21 1\n10 20 0\n11 30 0\n21 30 0\n')
    head = 'TEMPLATE_ID,SUBJECT_ID,FILENAME\n'
    (meta / 'ijbc_1N_gallery_G1.csv').write_text(f'{head}10,1,a.png\n10,1,b.png\n')
    (meta / 'ijbc_1N_gallery_G2.csv').write_text(f'{head}20,2,c.png\n30,3,c.png\n')
    (meta / 'ijbc_1N_probe_mixed.csv').write_text(f'{head}11,1,d.png\n21,2,e.png\n')
    return root


WRITERS = {'tinyface': write_tinyface, 'survface': write_survface, 'scface': write_scface, 'ijb': write_ijb}
